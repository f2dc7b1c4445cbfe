-- One exchange about one domain, format 1: the rules of `Shared` in `paceline-coordinator`, operation
-- by operation, so that both give the same answers to the last bit. Change both or neither.
--
-- KEYS[1]  the domain's hash; no other key is touched
-- ARGV[1]  the message, MessagePack (wire.rs)
-- ARGV[2]  which server the sender is connected to, or nothing where that is not known
-- ARGV[3]  the channels' prefix: an instance's id comes behind it
-- ARGV[4]  the domain's name, which is what listeners are told
--
-- Fields of the hash:
--   s               the state: a flat array, see S_*
--   w               who waits: instance, when it asks again, its heads; sorted by instance
--   m               the instances, sorted
--   i<instance>     what is kept of one instance
--   o<instance><id> an open reservation
--   t<tier><tenant> where the tenant's next request starts, if that is ahead of its tier
--   g<metric>:<ms>  the closed pieces of a sliding window, 24 bytes each, oldest first
--   k               the common knowledge
--   moved           set by a newer format that has taken the domain over: this one stops

local FORMAT = 1
local INF = math.huge
local HEADS_MAX, GRACE, SOONER = 16, 500000, 10000
local LEARNING, AWAY, AWAY_PART, DEMAND_FLOOR = 3000000, 60000000, 0.9, 0.05
local CREDIT_COSTS_MAX, PPM = 2, 1000000
local GRANULES, LOW_POINTS_MAX, PIECE = 128, 8, 24
local TTL_MIN_MS = 3600000

-- The state. In flight by metric: S_FLIGHT + 1 to 5. Tiers: S_VIRTUAL and S_CREDIT + 1 to 3.
local S_FORMAT, S_EPOCH, S_CREATED, S_NOW, S_OFFSET, S_SERVER = 1, 2, 3, 4, 5, 6
local S_LEARNING, S_PAUSE, S_LAUNCH, S_OPEN, S_FLIGHT = 7, 8, 9, 10, 10
local S_INSTANCES, S_DEMAND, S_SILENT, S_KNOWN, S_EXPIRES = 16, 17, 18, 19, 20
local S_TAGS, S_SWEPT, S_VIRTUAL, S_CREDIT, S_SCALE = 21, 22, 22, 25, 29
local S_AWAY, S_COUNTS = 30, 31

-- One limit's count.
local C_METRIC, C_MS, C_AMOUNT, C_WINDOW, C_KIND, C_SINCE, C_GUARD = 1, 2, 3, 4, 5, 6, 7
local C_LEVEL, C_AT, C_USED, C_EARLIEST, C_LATEST, C_CORRECTED = 8, 9, 10, 11, 12, 13
local C_GENERATION, C_BEGUN, C_TAKEN, C_LOGGED = 14, 15, 16, 17
local C_OLDEST, C_FIRST, C_LAST, C_UNITS, C_LOW = 18, 19, 20, 21, 22

-- The message.
local A_INSTANCE, A_SEQUENCE, A_EPOCH, A_LEASE, A_PAUSE, A_SPACING = 1, 2, 3, 4, 5, 6
local A_IN_FLIGHT, A_DEMAND, A_SHARES, A_KNOWS, A_TEACHES, A_LEAVES = 7, 8, 8, 12, 13, 14
local A_TERMS, A_CLOSED, A_CORRECTIONS, A_HEADS = 15, 16, 17, 18
local TERMS, CLOSED, CORRECTION, HEAD = 11, 7, 5, 14
local T_METRIC, T_MS, T_AMOUNT, T_KIND, T_SINCE, T_BURST = 1, 2, 3, 4, 5, 6
local T_GUARD, T_RESERVE, T_EARLIEST, T_LATEST, T_USED = 7, 8, 9, 10, 11

local FIXED = 2
local HAS_BUCKET, IS_FIXED, HAS_LOG = { true, false, false, false, true }, { false, true, true }, {}
HAS_LOG[4], HAS_LOG[5] = true, true

local call, floor, ceil, min, max = redis.call, math.floor, math.ceil, math.min, math.max
local pack, unpack_message = cmsgpack.pack, cmsgpack.unpack
local number, bytes, sort = struct.unpack, struct.pack, table.sort

local key, server, channel, domain = KEYS[1], ARGV[2], ARGV[3], ARGV[4]
local ask = unpack_message(ARGV[1])
local me = ask[A_INSTANCE]
local heads, closed, all_terms = ask[A_HEADS], ask[A_CLOSED], ask[A_TERMS]
local clock = redis.call('TIME')

-- Reading and writing the hash.

local writes, deletes = {}, {}

local function write(field, value)
  writes[#writes + 1] = field
  writes[#writes + 1] = value
end

local function fetch(fields)
  if #fields <= 4000 then
    return #fields > 0 and call('HMGET', key, unpack(fields)) or {}
  end
  local values = {}
  for first = 1, #fields, 4000 do
    local last = min(first + 3999, #fields)
    local part = call('HMGET', key, unpack(fields, first, last))
    for i = 1, #part do values[first + i - 1] = part[i] end
  end
  return values
end

local function flush()
  for first = 1, #deletes, 4000 do
    call('HDEL', key, unpack(deletes, first, min(first + 3999, #deletes)))
  end
  for first = 1, #writes, 4000 do
    call('HSET', key, unpack(writes, first, min(first + 3999, #writes)))
  end
end

-- One fetch for everything that the message alone names.

local fields = { 'moved', 's', 'w', 'i' .. me }
for i = 1, #closed, CLOSED do fields[#fields + 1] = 'o' .. me .. closed[i] end
for i = 1, #heads, HEAD do fields[#fields + 1] = 'o' .. me .. heads[i] end
local head_tags = {}
for i = 1, #heads, HEAD do
  local name = 't' .. heads[i + 2] .. heads[i + 1]
  head_tags[i] = name
  fields[#fields + 1] = name
end
local fetched = fetch(fields)
if fetched[1] then
  return redis.error_reply('PACELINE a newer version of paceline has taken over the state of '
    .. domain .. ': update this instance')
end

local raw = clock[1] * 1000000 + clock[2]
local state = fetched[2] and unpack_message(fetched[2])
if state and state[S_FORMAT] ~= FORMAT then
  return redis.error_reply('PACELINE the state of ' .. domain .. ' has another format: delete ' .. key)
end
if not state then
  state = { FORMAT, raw, raw, raw, 0, server, 0, 0, -INF, 0, 0, 0, 0, 0, 0, 0, 0, INF, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, {}, {} }
end
-- Another server may lack what was written last, and its clock may be another: everybody restates,
-- and the time goes on from where it was.
if state[S_SERVER] ~= server and server ~= '' then
  if state[S_SERVER] ~= '' then
    state[S_EPOCH], state[S_CREATED] = max(raw, state[S_EPOCH] + 1), state[S_NOW]
  end
  state[S_SERVER] = server
end
local now = raw + state[S_OFFSET]
if now < state[S_NOW] then
  state[S_OFFSET] = state[S_NOW] - raw
  now = state[S_NOW]
end
local elapsed = now - state[S_NOW]
state[S_NOW] = now
local counts, away = state[S_COUNTS], state[S_AWAY]

local opened, changed_open = {}, {}
for i = 5, #fields - #heads / HEAD do
  opened[fields[i]] = fetched[i]
end

local function set_open(name, value)
  opened[name], changed_open[name] = value, true
end

local function keep_open()
  for name in pairs(changed_open) do
    if opened[name] then write(name, opened[name]) else deletes[#deletes + 1] = name end
  end
end

-- Tags: nothing is known of those that are not ahead of their tier.

local tags, tag_stored, tag_known = {}, {}, {}

local function take_in_tag(name, value)
  if tag_known[name] then return end
  tag_known[name] = true
  if value then
    tag_stored[name] = value
    local tag = number('<d', value)
    if tag > state[S_VIRTUAL + name:byte(2) - 48] then tags[name] = tag end
  end
end

local function fetch_tags(names)
  local missing = {}
  for i = 1, #names do
    if not tag_known[names[i]] then missing[#missing + 1] = names[i] end
  end
  local values = fetch(missing)
  for i = 1, #missing do take_in_tag(missing[i], values[i]) end
end

for i = #fields - #heads / HEAD + 1, #fields do take_in_tag(fields[i], fetched[i]) end

local function keep_tags()
  for name in pairs(tag_known) do
    local tag, stored = tags[name], tag_stored[name]
    if tag and tag > state[S_VIRTUAL + name:byte(2) - 48] then
      local value = bytes('<d', tag)
      if value ~= stored then write(name, value) end
      if not stored then state[S_TAGS] = state[S_TAGS] + 1 end
    elseif stored then
      deletes[#deletes + 1] = name
      state[S_TAGS] = state[S_TAGS] - 1
    end
  end
  if state[S_TAGS] <= 2 * state[S_SWEPT] + 256 then return end
  -- Tenants that have not been back for long: looked for whenever their number has doubled.
  local names = {}
  for _, field in ipairs(call('HKEYS', key)) do
    if field:sub(1, 1) == 't' and not tag_known[field] then names[#names + 1] = field end
  end
  local values = fetch(names)
  for i = 1, #names do
    if number('<d', values[i]) <= state[S_VIRTUAL + names[i]:byte(2) - 48] then
      deletes[#deletes + 1] = names[i]
      state[S_TAGS] = state[S_TAGS] - 1
    end
  end
  state[S_SWEPT] = state[S_TAGS]
end

-- Counts.

local pages, changed_pages = {}, {}

local function page_name(c)
  return 'g' .. c[C_METRIC] .. ':' .. c[C_MS]
end

local function page(c)
  local name = page_name(c)
  local text = pages[name]
  if not text then
    text = c[C_OLDEST] and call('HGET', key, name) or ''
    pages[name] = text
  end
  return text
end

local function set_page(c, text)
  local name = page_name(c)
  pages[name], changed_pages[name] = text, true
  c[C_OLDEST] = #text > 0 and number('<d', text, 9)
end

local function keep_pages()
  for name in pairs(changed_pages) do
    if pages[name] == '' then deletes[#deletes + 1] = name else write(name, pages[name]) end
  end
end

-- (Blocks, since a script may not have more than 200 locals at once.)
local drain, used_of, anchor, advance, put
local renew, take_units, refund, correct, earliest_of
do

local function level_at(c, time)
  return max(c[C_LEVEL] - (time - c[C_AT]) * (c[C_AMOUNT] / c[C_WINDOW]), -c[C_AMOUNT])
end

function drain(c, time)
  c[C_LEVEL] = level_at(c, time)
  c[C_AT] = time
end

function used_of(c)
  if c[C_KIND] == 1 then return max(level_at(c, now), 0) end
  if IS_FIXED[c[C_KIND]] then return c[C_USED] end
  return c[C_LOGGED]
end

function anchor(c, terms, t)
  local earliest, latest = terms[t + T_EARLIEST], terms[t + T_LATEST]
  if latest and (not c[C_LATEST] or latest > c[C_LATEST] - c[C_WINDOW] / 2) then
    c[C_EARLIEST], c[C_LATEST] = earliest, latest
  end
end

local function expire(c)
  local span = c[C_WINDOW] + c[C_GUARD]
  if c[C_OLDEST] and c[C_OLDEST] + span <= now then
    local text, at = page(c), 1
    while at < #text do
      local _, last, units = number('<ddd', text, at)
      if last + span > now then break end
      c[C_LOGGED] = c[C_LOGGED] - units
      at = at + PIECE
    end
    set_page(c, text:sub(at))
  end
  if c[C_LAST] and c[C_LAST] + span <= now then
    c[C_LOGGED] = c[C_LOGGED] - c[C_UNITS]
    c[C_FIRST], c[C_LAST], c[C_UNITS] = false, false, 0
  end
  if not c[C_OLDEST] and not c[C_LAST] then c[C_LOGGED] = 0 end
end

function advance(c)
  if IS_FIXED[c[C_KIND]] and c[C_LATEST] and now >= c[C_LATEST] then
    local over = floor((now - c[C_LATEST]) / c[C_WINDOW]) + 1
    c[C_USED] = max(c[C_USED] - over * c[C_AMOUNT], 0)
    if c[C_KIND] == FIXED or c[C_USED] > 0 then
      local later = over * c[C_WINDOW]
      c[C_EARLIEST], c[C_LATEST] = c[C_EARLIEST] + later, c[C_LATEST] + later
    else
      c[C_EARLIEST], c[C_LATEST] = false, false
    end
  end
  if c[C_OLDEST] or c[C_LAST] then expire(c) end
end

local function log(c, units)
  c[C_LOGGED] = c[C_LOGGED] + units
  if c[C_LAST] and now <= c[C_FIRST] + c[C_WINDOW] / GRANULES then
    c[C_LAST], c[C_UNITS] = now, c[C_UNITS] + units
    return
  end
  if c[C_LAST] then
    set_page(c, page(c) .. bytes('<ddd', c[C_FIRST], c[C_LAST], c[C_UNITS]))
  end
  c[C_FIRST], c[C_LAST], c[C_UNITS] = now, now, units
end

-- Counts units that were not let in here.
function put(c, units)
  advance(c)
  local kind = c[C_KIND]
  if HAS_BUCKET[kind] then
    drain(c, now)
    c[C_LEVEL] = max(c[C_LEVEL], 0) + units
  end
  if IS_FIXED[kind] then
    if not c[C_LATEST] then
      c[C_EARLIEST], c[C_LATEST] = now + c[C_WINDOW], now + c[C_WINDOW] + c[C_GUARD]
    end
    c[C_USED] = c[C_USED] + units
  end
  if HAS_LOG[kind] then log(c, units) end
end

function renew(c, terms, t, used)
  c[C_METRIC], c[C_MS] = terms[t + T_METRIC], terms[t + T_MS]
  c[C_AMOUNT], c[C_WINDOW] = terms[t + T_AMOUNT], terms[t + T_MS] * 1000
  c[C_KIND], c[C_SINCE], c[C_GUARD] = terms[t + T_KIND], terms[t + T_SINCE], terms[t + T_GUARD]
  c[C_LEVEL], c[C_AT], c[C_USED], c[C_EARLIEST], c[C_LATEST] = 0, now, 0, false, false
  c[C_CORRECTED], c[C_GENERATION], c[C_BEGUN], c[C_TAKEN] = 0, 1, now, 0
  c[C_LOGGED], c[C_FIRST], c[C_LAST], c[C_UNITS], c[C_LOW] = 0, false, false, 0, {}
  if c[C_OLDEST] then set_page(c, '') end
  c[C_OLDEST] = false
  anchor(c, terms, t)
  put(c, used)
end

local function note_low_point(c)
  local low, level = c[C_LOW], max(c[C_LEVEL], 0)
  local last = #low
  while last > 0 and low[last] >= level do
    low[last], low[last - 1] = nil, nil
    last = last - 2
  end
  if last == 2 * LOW_POINTS_MAX then
    low[last - 1] = now
  else
    low[last + 1], low[last + 2] = now, level
  end
end

function take_units(c, units)
  if HAS_BUCKET[c[C_KIND]] then
    drain(c, now)
    note_low_point(c)
  end
  c[C_TAKEN] = c[C_TAKEN] + units
  put(c, units)
end

local function refund_logged(c, units, taken_at)
  if c[C_LAST] and c[C_FIRST] <= taken_at then
    if taken_at <= c[C_LAST] then
      local left = max(c[C_UNITS] - units, 0)
      c[C_LOGGED] = c[C_LOGGED] - (c[C_UNITS] - left)
      c[C_UNITS] = left
    end
    return
  end
  local text = page(c)
  local low, high = 0, #text / PIECE
  while low < high do
    local middle = floor((low + high) / 2)
    if number('<d', text, middle * PIECE + 1) <= taken_at then low = middle + 1 else high = middle end
  end
  if low == 0 then return end
  local at = (low - 1) * PIECE + 1
  local first, last, held = number('<ddd', text, at)
  if taken_at > last then return end
  local left = max(held - units, 0)
  c[C_LOGGED] = c[C_LOGGED] - (held - left)
  set_page(c, text:sub(1, at - 1) .. bytes('<ddd', first, last, left) .. text:sub(at + PIECE))
end

-- Gives back units that were taken at `taken_at`, as far as they still count.
function refund(c, units, taken_at)
  advance(c)
  if taken_at < c[C_BEGUN] then return end
  if HAS_BUCKET[c[C_KIND]] then
    drain(c, now)
    local low = c[C_LOW]
    local since, lowest = #low + 1, c[C_LEVEL]
    for i = 1, #low, 2 do
      if low[i] > taken_at then
        since, lowest = i, min(low[i + 1], c[C_LEVEL])
        break
      end
    end
    local back = max(min(units, lowest), 0)
    c[C_LEVEL] = c[C_LEVEL] - back
    for i = since + 1, #low, 2 do low[i] = low[i] - back end
  end
  if IS_FIXED[c[C_KIND]] and c[C_LATEST]
    and taken_at >= c[C_LATEST] - c[C_WINDOW] - c[C_GUARD] then
    c[C_USED] = max(c[C_USED] - units, 0)
  end
  if HAS_LOG[c[C_KIND]] then refund_logged(c, units, taken_at) end
end

local function lower_logged(c, left)
  local text, parts = page(c), {}
  c[C_LOGGED] = 0
  for at = 1, #text, PIECE do
    local first, last, units = number('<ddd', text, at)
    units = units * left
    c[C_LOGGED] = c[C_LOGGED] + units
    parts[#parts + 1] = bytes('<ddd', first, last, units)
  end
  if #text > 0 then set_page(c, table.concat(parts)) end
  if c[C_LAST] then
    c[C_UNITS] = c[C_UNITS] * left
    c[C_LOGGED] = c[C_LOGGED] + c[C_UNITS]
  end
end

local function lower(c, units)
  advance(c)
  if c[C_KIND] == 1 then
    drain(c, now)
    if c[C_LEVEL] > 0 then
      local lowered = max(c[C_LEVEL] - units, 0)
      local by, low = c[C_LEVEL] - lowered, c[C_LOW]
      c[C_LEVEL] = lowered
      for i = 2, #low, 2 do low[i] = max(low[i] - by, 0) end
    end
  end
  c[C_USED] = max(c[C_USED] - units, 0)
  if c[C_LOGGED] > 0 then
    lower_logged(c, max(c[C_LOGGED] - units, 0) / c[C_LOGGED])
  end
end

-- Corrects by `step`, as far as nobody has since `corrected` was the sum.
function correct(c, step, corrected)
  local since = c[C_CORRECTED] - corrected
  local left
  if step > 0 then
    left = max(step - max(since, 0), 0)
  else
    left = min(step - min(since, 0), 0)
  end
  if left > 0 then put(c, left) elseif left < 0 then lower(c, -left) end
  c[C_CORRECTED] = c[C_CORRECTED] + left
end

local function earliest_fixed(c, guard, units)
  local earliest, latest, amount = c[C_EARLIEST], c[C_LATEST], c[C_AMOUNT]
  if not latest then return now end
  local fits = c[C_USED] + units <= amount
  if fits and now < earliest - guard then return now end
  local left = fits and 0 or c[C_USED] + units - amount
  return latest + (max(ceil(left / amount), 1) - 1) * c[C_WINDOW]
end

local function earliest_logged(c, units)
  local span, excess = c[C_WINDOW] + c[C_GUARD], c[C_LOGGED] + units - c[C_AMOUNT]
  if excess <= 0 then return now end
  local freed, at = 0, now
  if c[C_OLDEST] then
    local text = page(c)
    for place = 1, #text, PIECE do
      local _, last, held = number('<ddd', text, place)
      freed = freed + held
      at = max(now, last + span)
      if freed >= excess then return at end
    end
  end
  if c[C_LAST] then
    freed = freed + c[C_UNITS]
    at = max(now, c[C_LAST] + span)
    if freed >= excess then return at end
  end
  return at + span
end

-- When `units` fit by the terms at `t` after `ahead` were taken.
function earliest_of(c, t, ahead, units)
  local amount, at = c[C_AMOUNT], now
  units = min(units + all_terms[t + T_RESERVE], max(amount, units))
  if units > amount then return INF end
  local kind = c[C_KIND]
  if HAS_BUCKET[kind] then
    local burst, per_us = all_terms[t + T_BURST], amount / c[C_WINDOW]
    local guard = all_terms[t + T_GUARD] * per_us
    local most = units <= burst and burst - units - guard or -guard
    local excess = max(level_at(c, now), -guard) + ahead - most
    if excess > 0 then at = max(at, now + excess / per_us) end
  end
  if IS_FIXED[kind] then
    at = max(at, earliest_fixed(c, all_terms[t + T_GUARD], ahead + units))
  end
  if HAS_LOG[kind] then at = max(at, earliest_logged(c, ahead + units)) end
  return at
end

end

local function count_of(metric, ms)
  for i = 1, #counts do
    local c = counts[i]
    if c[C_METRIC] == metric and c[C_MS] == ms then return c end
  end
end

-- The longest time that any limit takes to make up for the charge behind `base`.
local function cost(charge, base)
  local most = 1
  for i = 1, #counts do
    local c = counts[i]
    local one = charge[base + c[C_METRIC]] * c[C_WINDOW] / max(c[C_AMOUNT], 1)
    if one > most then most = one end
  end
  return most
end

-- Instances.

local mine = fetched[4] and { unpack_message(fetched[4]) }
local waiting = fetched[3] and unpack_message(fetched[3]) or {}
local waiting_changed = false
local members

local function load_members()
  if not members then
    local text = call('HGET', key, 'm')
    members = text and unpack_message(text) or {}
  end
  return members
end

local function join_members()
  local ids = load_members()
  ids[#ids + 1] = me
  sort(ids)
  write('m', pack(ids))
  state[S_INSTANCES] = #ids
end

local function stop_waiting(id)
  for i = 1, #waiting, 3 do
    if waiting[i] == id then
      for _ = 1, 3 do table.remove(waiting, i) end
      waiting_changed = true
      return
    end
  end
end

local function start_waiting(id, wake, segment)
  local at = 1
  while waiting[at] and waiting[at] < id do at = at + 3 end
  if waiting[at] == id then
    waiting[at + 1], waiting[at + 2] = wake, segment
  else
    table.insert(waiting, at, segment)
    table.insert(waiting, at, wake)
    table.insert(waiting, at, id)
  end
  waiting_changed = true
end

local function share(demand)
  local total, count = state[S_DEMAND], state[S_INSTANCES]
  if not demand then return 0 end
  if total <= 0 then return 1 / max(count, 1) end
  local least = DEMAND_FLOOR * total / max(count, 1)
  return (demand + least) / (total + least * count)
end

-- What was fetched of somebody who is forgotten is not there any more.
local function spend_open(names)
  local values = fetch(names)
  for i = 1, #names do
    local name, value = names[i], values[i]
    if opened[name] ~= nil then value = opened[name] end
    if value then
      set_open(name, false)
      local open = { unpack_message(value) }
      for m = 1, 5 do
        state[S_FLIGHT + m] = max(state[S_FLIGHT + m] - open[4 + m], 0)
      end
      state[S_OPEN] = state[S_OPEN] - 1
    end
  end
end

-- Nothing stays of these instances; their demand has been taken off.
local function forget(gone)
  local ids, names, left = {}, {}, {}
  for i = 1, #gone do
    ids[gone[i]] = true
    stop_waiting(gone[i])
    deletes[#deletes + 1] = 'i' .. gone[i]
  end
  for _, field in ipairs(call('HKEYS', key)) do
    if field:sub(1, 1) == 'o' and ids[field:sub(2, 17)] and opened[field] == nil then
      names[#names + 1] = field
    end
  end
  for name, value in pairs(opened) do
    if value and ids[name:sub(2, 17)] then names[#names + 1] = name end
  end
  spend_open(names)
  for _, id in ipairs(load_members()) do
    if not ids[id] then left[#left + 1] = id end
  end
  members = left
  write('m', pack(left))
  state[S_INSTANCES] = #left
end

-- Instances that have been silent too long are gone: what they had open is spent.
local function part_with_silent()
  if now <= state[S_SILENT] then return end
  local ids, names = load_members(), {}
  for i = 1, #ids do names[i] = 'i' .. ids[i] end
  local values, gone, bound = fetch(names), {}, INF
  for i = 1, #ids do
    local _, seen, lease, demand = unpack_message(values[i])
    if now > seen + lease then
      gone[#gone + 1] = ids[i]
      away[#away + 1] = { ids[i], share(demand) * AWAY_PART, now + AWAY }
      state[S_DEMAND] = state[S_DEMAND] - demand
      state[S_INSTANCES] = state[S_INSTANCES] - 1
      if ids[i] == me then mine = nil end
    else
      bound = min(bound, seen + lease)
    end
  end
  state[S_SILENT] = bound
  if #gone > 0 then
    sort(away, function(a, b) return a[1] < b[1] end)
    forget(gone)
  end
end

local function keep_away(stays)
  local kept = {}
  for i = 1, #away do
    if stays(away[i]) then kept[#kept + 1] = away[i] end
  end
  away = kept
  state[S_AWAY] = kept
end

local function allow_for_away()
  if #away == 0 then return end
  local sum = 0
  for i = 1, #away do sum = sum + away[i][2] end
  if sum > 0 and elapsed > 0 then
    for i = 1, #counts do
      local c = counts[i]
      put(c, c[C_AMOUNT] / c[C_WINDOW] * min(elapsed, AWAY) * min(sum, 1))
    end
  end
  keep_away(function(one) return one[3] > now end)
end

-- 1: newer, 0: repeated, -1: older than what was heard from the sender before.
local function hear()
  if #away > 0 then
    keep_away(function(one) return one[1] ~= me end)
  end
  local sequence = ask[A_SEQUENCE]
  if not mine then
    mine = { 0, 0, 0, 0 }
    join_members()
  end
  if sequence < mine[1] then return -1 end
  local order = sequence > mine[1] and 1 or 0
  state[S_DEMAND] = state[S_DEMAND] - mine[4] + ask[A_DEMAND]
  mine = { sequence, now, ask[A_LEASE], ask[A_DEMAND] }
  state[S_SILENT] = min(state[S_SILENT], now + ask[A_LEASE])
  return order
end

local function count_for(t)
  local metric, ms = all_terms[t + T_METRIC], all_terms[t + T_MS]
  local c = count_of(metric, ms)
  if c then return c end
  c = {}
  renew(c, all_terms, t, all_terms[t + T_USED])
  local at = 1
  while counts[at] and (counts[at][C_METRIC] < metric
    or counts[at][C_METRIC] == metric and counts[at][C_MS] < ms) do
    at = at + 1
  end
  table.insert(counts, at, c)
  return c
end

-- Takes up what the sender believes where that is younger.
local function agree_on(c, t)
  c[C_GUARD] = max(c[C_GUARD], all_terms[t + T_GUARD])
  if all_terms[t + T_SINCE] > c[C_SINCE] then
    if all_terms[t + T_KIND] ~= c[C_KIND] then
      local used = max(floor(used_of(c)), 0)
      local corrected, generation, taken = c[C_CORRECTED], c[C_GENERATION], c[C_TAKEN]
      renew(c, all_terms, t, used)
      c[C_CORRECTED], c[C_GENERATION], c[C_TAKEN] = corrected, generation + 1, taken
    else
      drain(c, now)
      c[C_AMOUNT], c[C_SINCE] = all_terms[t + T_AMOUNT], all_terms[t + T_SINCE]
    end
  end
  if all_terms[t + T_KIND] == c[C_KIND] then anchor(c, all_terms, t) end
end

local function agree()
  local restates = ask[A_EPOCH] >= 0 and ask[A_EPOCH] ~= state[S_EPOCH]
  if restates and now < state[S_CREATED] + LEARNING * 4 then
    state[S_LEARNING] = state[S_CREATED] + LEARNING
  end
  for t = 0, #all_terms - 1, TERMS do
    local c = count_for(t)
    advance(c)
    agree_on(c, t)
    local missing = all_terms[t + T_USED] - used_of(c)
    if restates and missing > 0 then put(c, missing) end
  end
  if #all_terms / TERMS >= #counts or state[S_INSTANCES] ~= 1 then return end
  -- A limit that nobody names any more is not a limit any more.
  local named = {}
  for i = 1, #counts do
    local c, is_named = counts[i], false
    for t = 0, #all_terms - 1, TERMS do
      is_named = is_named
        or all_terms[t + T_METRIC] == c[C_METRIC] and all_terms[t + T_MS] == c[C_MS]
    end
    if is_named then
      named[#named + 1] = c
    elseif c[C_OLDEST] or changed_pages[page_name(c)] then
      set_page(c, '')
    end
  end
  counts = named
  state[S_COUNTS] = named
end

-- An open reservation: tier, tenant, weight, when, charge.
local function close(i)
  local name = 'o' .. me .. closed[i]
  local value = opened[name]
  if not value then return end
  set_open(name, false)
  local open = { unpack_message(value) }
  local tier, tenant, weight, at = open[1], open[2], open[3], open[4]
  local charged = { 0, 0, 0, 0, 0 }
  local differs = false
  for m = 1, 5 do
    state[S_FLIGHT + m] = max(state[S_FLIGHT + m] - open[4 + m], 0)
    if closed[i + 1] == 1 then charged[m] = closed[i + 1 + m] end
    differs = differs or charged[m] ~= open[4 + m]
  end
  state[S_OPEN] = state[S_OPEN] - 1
  if not differs then return end
  local before = cost(open, 4)
  for j = 1, #counts do
    local c = counts[j]
    local held, used = open[4 + c[C_METRIC]], charged[c[C_METRIC]]
    if used < held then
      refund(c, held - used, at)
    elseif used > held then
      take_units(c, used - held)
    end
  end
  local tag = 't' .. tier .. tenant
  if tags[tag] then
    tags[tag] = tags[tag] + (cost(charged, 0) - before) / max(weight, 1)
  end
end

local function close_all()
  local names = {}
  for i = 1, #closed, CLOSED do
    local value = opened['o' .. me .. closed[i]]
    if value then
      local tier, tenant = unpack_message(value)
      names[#names + 1] = 't' .. tier .. tenant
    end
  end
  fetch_tags(names)
  for i = 1, #closed, CLOSED do close(i) end
end

local function learn()
  local corrections = ask[A_CORRECTIONS]
  for i = 1, #corrections, CORRECTION do
    local c = count_of(corrections[i], corrections[i + 1])
    if c and c[C_GENERATION] == corrections[i + 4] then
      correct(c, corrections[i + 2], corrections[i + 3])
    end
  end
  state[S_PAUSE] = max(state[S_PAUSE], now + ask[A_PAUSE])
  if ask[A_TEACHES] then
    state[S_KNOWN] = state[S_KNOWN] + 1
    write('k', ask[A_TEACHES])
  end
end

-- Who goes.

local admit
do

local function start_of(tag, tier)
  local virtual = state[S_VIRTUAL + tier]
  local own = tags[tag]
  return own and max(own, virtual) or virtual
end

local function serve(tag, tier, weight, price, least, waits)
  local start = start_of(tag, tier)
  state[S_VIRTUAL + tier] = max(state[S_VIRTUAL + tier], min(start, least))
  tags[tag] = start + price / max(weight, 1)
  state[S_SCALE] = max(state[S_SCALE], price)
  local bound = CREDIT_COSTS_MAX * state[S_SCALE]
  for other = 1, 3 do
    if waits[other] or other == tier then
      local earned = price * ask[A_SHARES + other] / PPM
      local spent = other == tier and price or 0
      state[S_CREDIT + other] = max(min(state[S_CREDIT + other] + earned - spent, bound), -bound)
    end
  end
end

-- Who waits: others first, in the order of their ids, then the sender. A candidate's charge is
-- behind `base` in `charges`.

local lines, seats = { {}, {}, {} }, 0

local function add(id, charges, base, tier, tag, start)
  local line = lines[tier]
  seats = seats + 1
  local candidate = { id = id, charges = charges, base = base, tag = tag, start = start, seat = seats }
  line[#line + 1] = candidate
  return candidate
end

local function is_before(a, b)
  if a.start ~= b.start then return a.start < b.start end
  if a.id ~= b.id then return a.id < b.id end
  return a.seat < b.seat
end

-- A segment: how many heads, then tier, tenant, weight and charge of each; fronts the same, with what
-- is behind them.
local function read_others()
  local others, names = {}, {}
  for i = 1, #waiting, 3 do
    if waiting[i] ~= me and now <= waiting[i + 1] + GRACE then
      local segment = unpack_message(waiting[i + 2])
      others[#others + 1] = { place = i, segment = segment }
      for at = 1, #segment - 1, 8 do
        names[#names + 1] = 't' .. segment[at + 1] .. segment[at + 2]
      end
    end
  end
  fetch_tags(names)
  return others
end

local function line_up_others(others)
  local tails, untold = {}, 0
  for i = 1, #others do
    local segment, id, starts = others[i].segment, waiting[others[i].place], {}
    local fronts = 1 + 8 * segment[1]
    for at = 1, fronts - 1, 8 do
      local tier, tag = segment[at + 1], 't' .. segment[at + 1] .. segment[at + 2]
      local start = starts[tag] or start_of(tag, tier)
      add(id, segment, at + 3, tier, tag, start).place = others[i].place
      starts[tag] = start + cost(segment, at + 3) / max(segment[at + 3], 1)
    end
    if fronts > 1 then untold = untold + 1 end
    for at = fronts, #segment - 1, 8 do
      local tier, tenant, weight = segment[at + 1], segment[at + 2], max(segment[at + 3], 1)
      local named = 0
      for h = 1, fronts - 1, 8 do
        if segment[h + 1] == tier and segment[h + 2] == tenant then
          named = named + cost(segment, h + 3)
        end
      end
      tails[#tails + 1] = {
        tier = tier,
        start = start_of('t' .. tier .. tenant, tier) + named / weight,
        length = cost(segment, at + 3) / weight,
        charges = segment,
        base = at + 3,
      }
    end
  end
  return tails, untold
end

-- Heads of the sender; those that were let in before are granted again.
local function line_up_mine(grants)
  local starts, left = {}, 0
  for i = 1, #heads, HEAD do
    if opened['o' .. me .. heads[i]] then
      grants[#grants + 1] = { heads[i] }
    else
      local tier, tag = heads[i + 2], head_tags[i]
      local start = starts[tag] or start_of(tag, tier)
      add(me, heads, i + 3, tier, tag, start).head = i
      starts[tag] = start + cost(heads, i + 3) / max(heads[i + 3], 1)
      left = left + 1
    end
  end
  return left
end

local function next_tier(front)
  local tier, most = nil, 0
  for t = 1, 3 do
    if lines[t][front[t]] and state[S_CREDIT + t] > most then
      tier, most = t, state[S_CREDIT + t]
    end
  end
  if tier then return tier end
  for t = 1, 3 do
    if lines[t][front[t]] then return t end
  end
end

-- What goes before a candidate: those in front of it, and what others have not named.
local function before_of(candidate, tier, ahead, tails)
  if #tails == 0 then return ahead end
  local before = { ahead[1], ahead[2], ahead[3], ahead[4], ahead[5] }
  local is_owed = state[S_CREDIT + tier] > 0
  for i = 1, #tails do
    local tail, part = tails[i], 0
    if tail.tier == tier then
      part = max(min((candidate.start - tail.start) / tail.length, 1), 0)
    elseif tail.tier < tier and not is_owed then
      part = 1
    end
    if part > 0 then
      for m = 1, 5 do
        local units = tail.charges[tail.base + m]
        if units > 0 then before[m] = before[m] + floor(units * part) end
      end
    end
  end
  return before
end

local judges = {}

local function can_ever_go(candidate)
  for i = 1, #judges do
    local c = judges[i]
    if candidate.charges[candidate.base + c[C_METRIC]] > c[C_AMOUNT] then return false end
  end
  return true
end

local function earliest(candidate, before, ahead_count)
  local most = ask[A_IN_FLIGHT]
  if most >= 0 and state[S_OPEN] + ahead_count >= most then return INF end
  local at = max(now, state[S_PAUSE], state[S_LEARNING], state[S_LAUNCH] + ask[A_SPACING])
  for i = 1, #judges do
    local c = judges[i]
    local metric = c[C_METRIC]
    local units = candidate.charges[candidate.base + metric]
    if units > 0 then
      at = max(at, earliest_of(c, (i - 1) * TERMS, before[metric], units))
    end
  end
  return at
end

local function take(candidate, tier, least, waits)
  local charges, base, i = candidate.charges, candidate.base, candidate.head
  local price, grant = cost(charges, base), { heads[i] }
  for j = 1, #counts do
    local c = counts[j]
    local units = charges[base + c[C_METRIC]]
    if units > 0 then take_units(c, units) end
    grant[j + 1] = ceil(used_of(c))
  end
  for m = 1, 5 do state[S_FLIGHT + m] = state[S_FLIGHT + m] + charges[base + m] end
  serve(candidate.tag, tier, heads[i + 3], price, least, waits)
  state[S_LAUNCH] = now
  local name = 'o' .. me .. heads[i]
  if not opened[name] then state[S_OPEN] = state[S_OPEN] + 1 end
  set_open(name, pack(tier, heads[i + 1], heads[i + 3], now, charges[base + 1], charges[base + 2],
    charges[base + 3], charges[base + 4], charges[base + 5]))
  return grant
end

local function keep_waiting(kept, wake)
  local segment = { min(#kept, HEADS_MAX) }
  local function append(i, base)
    local n = #segment
    segment[n + 1], segment[n + 2], segment[n + 3] = heads[i + 2], heads[i + 1], heads[i + 3]
    for m = 1, 5 do segment[n + 3 + m] = heads[base + m] end
  end
  for k = 1, segment[1] do append(kept[k], kept[k] + 3) end
  local fronts = 0
  for i = 1, #heads, HEAD do
    local base = i + 8
    if fronts < HEADS_MAX and heads[base + 1] + heads[base + 2] + heads[base + 3]
      + heads[base + 4] + heads[base + 5] > 0 then
      append(i, base)
      fronts = fronts + 1
    end
  end
  if #segment > 1 then
    start_waiting(me, wake, pack(segment))
  else
    stop_waiting(me)
  end
end

-- Lets in all who may go of those who wait at the sender.
function admit()
  local grants, wakes, wake, kept, told = {}, {}, INF, {}, {}
  for t = 0, #all_terms - 1, TERMS do
    judges[#judges + 1] = count_of(all_terms[t + T_METRIC], all_terms[t + T_MS])
  end
  local tails, untold = line_up_others(read_others())
  local left = line_up_mine(grants)
  local front, passed = { 1, 1, 1 }, { INF, INF, INF }
  local passes = { false, false, false }
  for t = 1, 3 do
    if #lines[t] > 1 then sort(lines[t], is_before) end
  end
  for i = 1, #tails do
    local t = tails[i].tier
    passed[t], passes[t] = min(passed[t], tails[i].start), true
  end
  local ahead, ahead_count = { 0, 0, 0, 0, 0 }, 0
  while left > 0 or untold > 0 do
    local tier = next_tier(front)
    local candidate = lines[tier][front[tier]]
    front[tier] = front[tier] + 1
    local is_mine = candidate.id == me
    local goes = false
    if is_mine or not told[candidate.id] then
      local at = earliest(candidate, before_of(candidate, tier, ahead, tails), ahead_count)
      if is_mine then
        left = left - 1
        goes = at <= now
        if not goes then
          wake = min(wake, at)
          kept[#kept + 1] = candidate.head
        end
      else
        told[candidate.id] = true
        untold = untold - 1
        if at + SOONER < waiting[candidate.place + 1] then
          waiting[candidate.place + 1] = at
          waiting_changed = true
          wakes[#wakes + 1] = candidate.id
        end
      end
    end
    if goes then
      local following = lines[tier][front[tier]]
      local least = min(passed[tier], following and following.start or INF)
      local waits = {}
      for t = 1, 3 do waits[t] = passes[t] or lines[t][front[t]] ~= nil end
      grants[#grants + 1] = take(candidate, tier, least, waits)
    else
      passed[tier], passes[tier] = min(passed[tier], candidate.start), true
      if can_ever_go(candidate) then
        for m = 1, 5 do ahead[m] = ahead[m] + candidate.charges[candidate.base + m] end
        ahead_count = ahead_count + 1
      end
    end
  end
  keep_waiting(kept, wake)
  return grants, wakes, wake
end

end

local function keep_alive(lease)
  local longest = 0
  for i = 1, #counts do longest = max(longest, counts[i][C_WINDOW] + counts[i][C_GUARD]) end
  local ttl = max(TTL_MIN_MS, ceil((2 * max(longest, lease) + AWAY) / 1000))
  -- Extended when a quarter is over, or more is needed than was.
  if now + ttl * 750 > state[S_EXPIRES] then
    state[S_EXPIRES] = now + ttl * 1000
    return ttl
  end
end

-- What is left of it all, and what the sender is told.
local function finish(order, grants, wakes, wake)
  local levels, told = {}, false
  for i = 1, #counts do
    local c = counts[i]
    levels[i] = { c[C_METRIC], c[C_MS], c[C_AMOUNT], c[C_KIND], ceil(used_of(c)), c[C_CORRECTED],
      c[C_GENERATION], c[C_TAKEN], state[S_FLIGHT + c[C_METRIC]] }
  end
  if state[S_KNOWN] > ask[A_KNOWS] then
    told = order > 0 and ask[A_TEACHES] or call('HGET', key, 'k')
  end
  local ttl = keep_alive(ask[A_LEASE])
  keep_open()
  keep_pages()
  if mine then write('i' .. me, pack(unpack(mine))) end
  if waiting_changed then write('w', pack(waiting)) end
  write('s', pack(state))
  flush()
  if ttl then call('PEXPIRE', key, ttl) end
  for i = 1, #wakes do call('PUBLISH', channel .. wakes[i], domain) end
  return pack({ state[S_EPOCH], now, max(state[S_LEARNING] - now, 0), wake == INF and -1 or ceil(wake),
    state[S_OPEN], share(mine and mine[4]) * 1000000, state[S_INSTANCES], state[S_KNOWN], told, grants,
    levels, wakes })
end

part_with_silent()
allow_for_away()
local order = hear()
local grants, wakes, wake = {}, {}, INF
if order >= 0 then
  agree()
  close_all()
  if order > 0 then learn() end
  grants, wakes, wake = admit()
  if ask[A_LEAVES] == 1 then
    state[S_DEMAND] = state[S_DEMAND] - mine[4]
    mine = nil
    forget({ me })
  end
  keep_tags()
end
return finish(order, grants, wakes, wake)
