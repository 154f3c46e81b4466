-- GCRA in one step. KEYS[1] is the bucket. ARGV is the operation, the number of permits, and the microseconds
-- after which one of them becomes free.
-- Stored is the time when all permits are free again, in microseconds of this server's clock.
local act, count, interval = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local all = count * interval

if act == 'reset' then
  redis.call('DEL', KEYS[1])
  return {1, count, 0}
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- A clock that was set back, or a rule that used to allow less, costs one window at most.
local owed = tonumber(redis.call('GET', KEYS[1]) or now) - now
owed = math.max(0, math.min(owed, all))

local function store(owing)
  if owing <= 0 then
    redis.call('DEL', KEYS[1])
    return
  end
  -- Lua would write only 14 digits.
  local free_at = string.format('%.0f', now + owing)
  redis.call('SET', KEYS[1], free_at, 'PX', string.format('%.0f', math.ceil(owing / 1000)))
end

if act == 'release' then
  store(owed - interval)
  return {1, 0, 0}
end

local owing = owed + interval
if owing > all then
  return {0, 0, owing - all}
end
store(owing)
return {1, math.floor((all - owing) / interval), owing}
