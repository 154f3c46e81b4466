-- So many tries are free, then one every so often. KEYS[1] is the bucket; ARGV says what to do, how many
-- tries are free, how many microseconds lie between the others and for how many milliseconds a streak is
-- remembered.
-- Kept are the tries, and when the next is granted once the free ones are used up.
local act, failures, wait, memory = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

if act == 'reset' then
  redis.call('DEL', KEYS[1])
  return {1, failures, 0}
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tries, next_at = 0, 0
local kept = redis.call('GET', KEYS[1])
if kept then
  local one, other = string.match(kept, '^(%d+) (%d+)$')
  -- A clock that was set back costs one wait at most.
  tries, next_at = tonumber(one), math.min(tonumber(other), now + wait)
end

local function keep()
  -- Lua would write 14 digits, which is not enough.
  redis.call('SET', KEYS[1], string.format('%.0f %.0f', tries, next_at), 'PX', memory)
end

if act == 'release' then
  -- Before a try past the free ones was granted its time had come: without it the next is granted at once.
  if tries > failures then
    next_at = 0
  end
  tries = tries - 1
  if tries > 0 then
    keep()
  else
    redis.call('DEL', KEYS[1])
  end
  return {1, 0, 0}
end

if tries >= failures and now < next_at then
  return {0, 0, next_at - now}
end
tries = tries + 1
local remaining = math.max(0, failures - tries)
local hold = remaining > 0 and 0 or wait
next_at = now + hold
keep()
return {1, remaining, hold}
