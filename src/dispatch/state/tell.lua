-- What came of a push.
--
-- KEYS  dead, and the event of a push that has one
-- ARGV  accepted, rejected or failed; this replica; how many milliseconds to remember it;
--       the pushkey_ts that was rejected (0: none)
local outcome, event = ARGV[1], KEYS[2]
if outcome == 'accepted' then
  redis.call('SET', event, 'delivered', 'PX', ARGV[3])
  return 1
end
if outcome == 'rejected' then
  -- The word about an older registration does not undo a newer one's.
  local known = tonumber(redis.call('GET', KEYS[1]) or 0)
  local newest = math.max(known, tonumber(ARGV[4]))
  redis.call('SET', KEYS[1], string.format('%.0f', newest), 'PX', ARGV[3])
end
-- Whoever has another copy may try at once. A claim that ended may be another replica's by now.
if event and redis.call('GET', event) == ARGV[2] then
  redis.call('DEL', event)
end
return 1
