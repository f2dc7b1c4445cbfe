-- Writes a count for people and programs that look at plain keys, unless the key is somebody else's.
--
-- KEYS[1]  the key
-- ARGV     what is used, the limit, the window in milliseconds, for how many milliseconds it is true
--
-- 1: written, 0: the key belongs to somebody else.

local fields = redis.pcall('HKEYS', KEYS[1])
if fields.err then return 0 end
local own = { used = true, limit = true, window_ms = true }
for i = 1, #fields do
  if not own[fields[i]] then return 0 end
end
if #fields ~= 0 and #fields ~= 3 then return 0 end
redis.call('HSET', KEYS[1], 'used', ARGV[1], 'limit', ARGV[2], 'window_ms', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
