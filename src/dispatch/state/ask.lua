-- May this push be sent? If so it is taken from the rate limit, and its event is claimed, so that
-- no other replica sends it as well.
--
-- KEYS  dead, rate, and the event of a push that has one
-- ARGV  pushkey_ts (-1: none), interval and burst of the rate limit in microseconds (0: no limit),
--       this replica and how many milliseconds its claim lasts
--
-- Answers from memory come first: they cost no rate.
local dead = redis.call('GET', KEYS[1])
if dead then
  if tonumber(ARGV[1]) <= tonumber(dead) then
    return {'dead', 0}
  end
  redis.call('DEL', KEYS[1])
end

local event = KEYS[3]
if event then
  local known = redis.call('GET', event)
  if known == 'delivered' then
    return {'delivered', 0}
  elseif known and known ~= ARGV[4] then
    return {'under_way', 0}
  end
end

-- GCRA, by the one clock that all replicas share.
local interval, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
if interval > 0 then
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local whole = math.max(tonumber(redis.call('GET', KEYS[2]) or 0), now) + interval
  if whole > now + burst then
    return {'limited', whole - now - burst}
  end
  -- Written out: Redis before 7 would round the number to 14 digits.
  redis.call('SET', KEYS[2], string.format('%.0f', whole), 'PX', math.ceil((whole - now) / 1000))
end

if event then
  redis.call('SET', event, ARGV[4], 'PX', ARGV[5])
end
return {'go', 0}
