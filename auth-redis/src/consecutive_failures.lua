-- Grants a number of free tries, then one every `wait`. KEYS[1] is the bucket. ARGV is the operation, the number
-- of free tries, the microseconds between later tries, and the milliseconds for which the failures are stored.
-- Stored are the tries, and the time of the next try after the free ones.
local act, failures, wait, memory = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

if act == 'reset' then
  redis.call('DEL', KEYS[1])
  return {1, failures, 0}
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tries, next_at = 0, 0
local stored = redis.call('GET', KEYS[1])
if stored then
  local one, other = string.match(stored, '^(%d+) (%d+)$')
  -- A clock that was set back costs one wait at most.
  tries, next_at = tonumber(one), math.min(tonumber(other), now + wait)
end

local function store()
  -- Lua would write only 14 digits.
  redis.call('SET', KEYS[1], string.format('%.0f %.0f', tries, next_at), 'PX', memory)
end

if act == 'release' then
  -- A try past the free ones was granted because its time had come, so the next is granted at once.
  if tries > failures then
    next_at = 0
  end
  tries = tries - 1
  if tries > 0 then
    store()
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
store()
return {1, remaining, hold}
