-- One exchange about one domain, format 1: the rules of `Shared` in `paceline-coordinator`, operation
-- by operation, so that both give the same answers to the last bit. Change both or neither.
--
-- KEYS[1]  the domain's hash; no other key is touched
-- ARGV[1]  the message (wire.rs)
-- ARGV[2]  which server the sender is connected to, or nothing where that is not known
-- ARGV[3]  the channels' prefix: an instance's id comes behind it
-- ARGV[4]  the domain's name, which is what listeners are told
--
-- Fields of the hash; numbers are little-endian doubles unless said otherwise:
--   s               the state, see S_*; behind it the counts, see C_*, and who is away
--   w               who waits: instance, when it asks again, its heads; sorted by instance
--   m               the instances, 16 letters each, sorted
--   i<instance>     what is kept of one instance
--   o<instance><id> an open reservation
--   t<tier><tenant> where the tenant's next request starts, if that is ahead of its tier
--   g<metric>:<ms>  the closed pieces of a sliding window, 24 bytes each, oldest first
--   k               the common knowledge
--   moved           set by a newer format that has taken the domain over: this one stops
--
-- The server makes every function anew with each call, and that takes the longer the more variables
-- from outside functions use. So what happens with every call is written out where it happens, and
-- functions for what is seldom needed are made only when it is.

local FORMAT = 1
local INF = math.huge
local HEADS_MAX, GRACE, SOONER = 16, 500000, 10000
local LEARNING, AWAY, AWAY_PART, DEMAND_FLOOR, GATHERING = 3000000, 60000000, 0.9, 0.05, 2000000
local CREDIT_COSTS_MAX, PPM = 2, 1000000
local GRANULES, LOW_VALUES_MAX, PIECE = 128, 16, 24
local TTL_MIN_MS = 3600000
local NONE = -1

-- The state. In flight by metric: S_FLIGHT + 1 to 5. Tiers: S_VIRTUAL and S_CREDIT + 1 to 3.
local S_FORMAT, S_COUNTS, S_AWAY, S_SERVER = 1, 2, 3, 4
local S_EPOCH, S_CREATED, S_NOW, S_OFFSET = 5, 6, 7, 8
local S_LEARNING, S_PAUSE, S_LAUNCH, S_OPEN, S_FLIGHT = 9, 10, 11, 12, 12
local S_INSTANCES, S_DEMAND, S_SILENT, S_KNOWN, S_EXPIRES = 18, 19, 20, 21, 22
local S_TAGS, S_SWEPT, S_VIRTUAL, S_CREDIT, S_SCALE, S_END = 23, 24, 24, 27, 31, 32
local STATE = '<BHHBc0ddddddddddddddddddddddddddd'

-- One limit's count: how many values follow, and these. The last of them are low points of a bucket:
-- times just before something was taken, with the content then, lowest first. What is used in fixed
-- windows stands where others have their bucket. No time is NONE.
local C_VALUES, C_METRIC, C_WINDOW, C_AMOUNT, C_KIND, C_SINCE, C_GUARD = 1, 2, 3, 4, 5, 6, 7
local C_CORRECTED, C_GENERATION, C_BEGUN, C_TAKEN = 8, 9, 10, 11
local C_LEVEL, C_AT, C_USED, C_EARLIEST, C_LATEST = 12, 13, 12, 13, 14
local C_LOGGED, C_OLDEST, C_FIRST, C_LAST, C_UNITS, C_LOW = 14, 15, 16, 17, 18, 19
local FIXED_VALUES, OTHER_VALUES = 13, 17
local COUNT = '<Bddddddddddddddddddddddddddddddddd'

-- Kinds: whoever is not named has a bucket, a log, or both.
local BUCKET, FIXED, FIRST_USE, SLIDING, UNKNOWN = 1, 2, 3, 4, 5

-- The message.
local A_INSTANCE, A_SEQUENCE, A_EPOCH, A_LEASE, A_PAUSE, A_SPACING = 1, 2, 3, 4, 5, 6
local A_IN_FLIGHT, A_DEMAND, A_SHARES, A_KNOWS, A_TEACHES, A_LEAVES = 7, 8, 8, 12, 13, 14
local A_TERMS, A_CLOSED, A_CORRECTIONS, A_HEADS, A_END = 15, 16, 17, 18, 19
local ASK, TERM, CLOSE = '<c16ddddddddddddddddd', 'dddddddddddd', 'Bc0ddddd'
local CORRECTION, HEAD = 'ddddd', 'Bc0Bc0dddddddBc0'
local TERM_SIZE, CLOSE_SIZE, CORRECTION_SIZE, HEAD_SIZE = 12, 6, 5, 10
local T_METRIC, T_MS, T_AMOUNT, T_KIND, T_SINCE, T_BURST = 1, 2, 3, 4, 5, 6
local T_GUARD, T_RESERVE, T_EARLIEST, T_LATEST, T_USED, T_SPENT = 7, 8, 9, 10, 11, 12
-- A head: its reservation's field, its tenant's field, tier, weight, charge; what is behind it, if
-- anything is.
local H_TAG, H_TIER, H_WEIGHT, H_CHARGE, H_BEHIND = 1, 2, 3, 3, 9

local INSTANCE, OPEN, LEVELS = '<ddddd', '<dddddddBc0', '<ddddddddd'

local call, bytes, numbers, ceil = redis.call, struct.pack, struct.unpack, math.ceil
local key, server = KEYS[1], ARGV[2]
local clock = redis.call('TIME')
local raw = clock[1] * 1000000 + clock[2]

local message = ARGV[1]
local ask = { numbers(ASK, message) }
local me = ask[A_INSTANCE]

local place = ask[A_END]
local function items(form, size, count)
  if count == 0 then return {} end
  if count * size <= 2000 then
    local all = { numbers('<' .. form:rep(count), message, place) }
    place = all[count * size + 1]
    return all
  end
  local all = {}
  for i = 0, count - 1 do
    local one = { numbers('<' .. form, message, place) }
    for j = 1, size do all[i * size + j] = one[j] end
    place = one[size + 1]
  end
  return all
end

-- Behind the last of each may stand a number of no meaning.
local terms, terms_end = items(TERM, TERM_SIZE, ask[A_TERMS]), ask[A_TERMS] * TERM_SIZE
local closed, closed_end = items(CLOSE, CLOSE_SIZE, ask[A_CLOSED]), ask[A_CLOSED] * CLOSE_SIZE
local corrections = items(CORRECTION, CORRECTION_SIZE, ask[A_CORRECTIONS])
local heads, heads_end = items(HEAD, HEAD_SIZE, ask[A_HEADS]), ask[A_HEADS] * HEAD_SIZE

local function fetch(fields)
  if #fields <= 4000 then
    return #fields > 0 and call('HMGET', key, unpack(fields)) or {}
  end
  local values = {}
  for first = 1, #fields, 4000 do
    local last = math.min(first + 3999, #fields)
    local part = call('HMGET', key, unpack(fields, first, last))
    for i = 1, #part do values[first + i - 1] = part[i] end
  end
  return values
end

-- One fetch for everything that the message alone names.

local fields, n = { 'moved', 's', 'w', 'i' .. me }, 4
for i = 1, closed_end, CLOSE_SIZE do
  n = n + 1
  fields[n] = closed[i]
end
for i = 1, heads_end, HEAD_SIZE do
  n = n + 2
  fields[n - 1], fields[n] = heads[i], heads[i + H_TAG]
end
local fetched = fetch(fields)
if fetched[1] then
  return redis.error_reply('PACELINE a newer version of paceline has taken over the state of '
    .. ARGV[4] .. ': update this instance')
end

local text = fetched[2]
local state, counts, away, only_buckets = nil, {}, {}, true
for t = T_KIND, terms_end, TERM_SIZE do
  if terms[t] ~= BUCKET then only_buckets = false end
end
if not text then
  state = { FORMAT, 0, 0, server, raw, raw, raw, 0, 0, 0, -INF, 0, 0, 0, 0, 0, 0, 0, 0, INF, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0 }
elseif text:byte(1) ~= FORMAT then
  return redis.error_reply('PACELINE the state of ' .. ARGV[4] .. ' has another format: delete ' .. key)
else
  state = { numbers(STATE, text) }
  local at = state[S_END]
  for i = 1, state[S_COUNTS] do
    local values = text:byte(at)
    local c = { numbers(COUNT:sub(1, values + 2), text, at) }
    counts[i], at = c, c[values + 2]
    if c[C_KIND] ~= BUCKET then only_buckets = false end
  end
  for i = 1, state[S_AWAY] do
    away[i] = { numbers('<c16ddd', text, at) }
    at = away[i][5]
  end
end
-- Another server may lack what was written last, and its clock may be another: everybody restates,
-- and the time goes on from where it was.
local is_moved = state[S_SERVER] ~= server and server ~= '' and state[S_SERVER] ~= ''
if server ~= '' then state[S_SERVER] = server end
local now = raw + state[S_OFFSET]
if now < state[S_NOW] then
  state[S_OFFSET] = state[S_NOW] - raw
  now = state[S_NOW]
end
-- All that was written last may be lost: the time to tell what was used begins now.
if is_moved then
  state[S_EPOCH], state[S_CREATED] = math.max(raw, state[S_EPOCH] + 1), now
end
local elapsed = now - state[S_NOW]
state[S_NOW] = now

-- Open reservations by their field; false: there is none.
local opened, changed_open = {}, {}
-- Where tenants start, by their field; false: not ahead of their tier. And what the hash has.
local tags, tag_stored = {}, {}

local function take_in_tag(name, value)
  if tags[name] ~= nil then return end
  tags[name] = false
  if value then
    tag_stored[name] = value
    local tag = numbers('<d', value)
    if tag > state[S_VIRTUAL + name:byte(2) - 48] then tags[name] = tag end
  end
end

local function fetch_tags(names)
  local missing = {}
  for i = 1, #names do
    if tags[names[i]] == nil then missing[#missing + 1] = names[i] end
  end
  local values = fetch(missing)
  for i = 1, #missing do take_in_tag(missing[i], values[i]) end
end

n = 4
for i = 1, closed_end, CLOSE_SIZE do
  n = n + 1
  opened[closed[i]] = fetched[n]
end
for i = 1, heads_end, HEAD_SIZE do
  n = n + 2
  opened[heads[i]] = fetched[n - 1]
  take_in_tag(heads[i + H_TAG], fetched[n])
end

local writes, deletes = {}, {}

-- Counts.

-- What buckets do not need.
local advance, earliest_logged, pages, changed_pages
if not only_buckets then
  local with_pages

  -- What there is to do with the closed pieces of sliding windows.
  function pages()
    if with_pages then return with_pages end
    local texts, rules = {}, {}
    with_pages, changed_pages = rules, {}

    local function name_of(c)
      return 'g' .. c[C_METRIC] .. ':' .. c[C_WINDOW] / 1000
    end

    local function page(c)
      local name = name_of(c)
      if not texts[name] then
        texts[name] = c[C_OLDEST] ~= NONE and call('HGET', key, name) or ''
      end
      return texts[name]
    end
    rules.of = page

    local function set(c, page_text)
      local name = name_of(c)
      texts[name], changed_pages[name] = page_text, page_text
      c[C_OLDEST] = #page_text > 0 and numbers('<d', page_text, 9) or NONE
    end
    rules.set = set

    function rules.append(c)
      set(c, page(c) .. bytes('<ddd', c[C_FIRST], c[C_LAST], c[C_UNITS]))
    end

    function rules.expire(c, span)
      local pieces, at = page(c), 1
      while at < #pieces do
        local _, last, units = numbers('<ddd', pieces, at)
        if last + span > now then break end
        c[C_LOGGED] = c[C_LOGGED] - units
        at = at + PIECE
      end
      set(c, pieces:sub(at))
    end

    function rules.refund(c, units, taken_at)
      local pieces = page(c)
      local low, high = 0, #pieces / PIECE
      while low < high do
        local middle = math.floor((low + high) / 2)
        if numbers('<d', pieces, middle * PIECE + 1) <= taken_at then
          low = middle + 1
        else
          high = middle
        end
      end
      if low == 0 then return end
      local at = (low - 1) * PIECE + 1
      local first, last, held = numbers('<ddd', pieces, at)
      if taken_at > last then return end
      local left = math.max(held - units, 0)
      c[C_LOGGED] = c[C_LOGGED] - (held - left)
      set(c, pieces:sub(1, at - 1) .. bytes('<ddd', first, last, left) .. pieces:sub(at + PIECE))
    end

    -- The oldest go: what was taken later counts for longer, and must not be too low then.
    function rules.lower(c, left)
      local pieces, parts, at = page(c), {}, 1
      while at < #pieces and left > 0 do
        local first, last, units = numbers('<ddd', pieces, at)
        local lowered = math.min(units, left)
        c[C_LOGGED], left = c[C_LOGGED] - lowered, left - lowered
        parts[#parts + 1] = bytes('<ddd', first, last, units - lowered)
        at = at + PIECE
      end
      if at > 1 then set(c, table.concat(parts) .. pieces:sub(at)) end
      if c[C_LAST] ~= NONE and left > 0 then
        local lowered = math.min(c[C_UNITS], left)
        c[C_UNITS], c[C_LOGGED] = c[C_UNITS] - lowered, c[C_LOGGED] - lowered
      end
    end

    return rules
  end

  -- Closes fixed windows that are over, and forgets what has expired.
  function advance(c)
    local window = c[C_WINDOW]
    if c[C_KIND] <= FIRST_USE then
      if c[C_LATEST] == NONE or now < c[C_LATEST] then return end
      local over = math.floor((now - c[C_LATEST]) / window) + 1
      c[C_USED] = math.max(c[C_USED] - over * c[C_AMOUNT], 0)
      if c[C_KIND] == FIXED or c[C_USED] > 0 then
        local later = over * window
        c[C_EARLIEST], c[C_LATEST] = c[C_EARLIEST] + later, c[C_LATEST] + later
      else
        c[C_EARLIEST], c[C_LATEST] = NONE, NONE
      end
      return
    end
    local span = window + c[C_GUARD]
    if c[C_OLDEST] ~= NONE and c[C_OLDEST] + span <= now then pages().expire(c, span) end
    if c[C_LAST] ~= NONE and c[C_LAST] + span <= now then
      c[C_LOGGED] = c[C_LOGGED] - c[C_UNITS]
      c[C_FIRST], c[C_LAST], c[C_UNITS] = NONE, NONE, 0
    end
    if c[C_OLDEST] == NONE and c[C_LAST] == NONE then c[C_LOGGED] = 0 end
  end

  function earliest_logged(c, units)
    local excess = c[C_LOGGED] + units - c[C_AMOUNT]
    if excess <= 0 then return now end
    local span, freed, at = c[C_WINDOW] + c[C_GUARD], 0, now
    if c[C_OLDEST] ~= NONE then
      local pieces = pages().of(c)
      for where = 1, #pieces, PIECE do
        local _, last, held = numbers('<ddd', pieces, where)
        freed = freed + held
        at = math.max(now, last + span)
        if freed >= excess then return at end
      end
    end
    if c[C_LAST] ~= NONE then
      freed = freed + c[C_UNITS]
      at = math.max(now, c[C_LAST] + span)
      if freed >= excess then return at end
    end
    return at + span
  end
end

-- A bucket's content now. Below nothing it tells how long the bucket has been empty.
local function drain(c)
  local amount = c[C_AMOUNT]
  local level = c[C_LEVEL] - (now - c[C_AT]) * (amount / c[C_WINDOW])
  if level < -amount then level = -amount end
  c[C_LEVEL], c[C_AT] = level, now
  return level
end

-- Counts units; `is_taken`: they were let in here.
local function put(c, units, is_taken)
  local kind = c[C_KIND]
  if kind ~= BUCKET then advance(c) end
  if is_taken then c[C_TAKEN] = c[C_TAKEN] + units end
  if kind == FIXED or kind == FIRST_USE then
    if c[C_LATEST] == NONE then
      c[C_EARLIEST], c[C_LATEST] = now + c[C_WINDOW], now + c[C_WINDOW] + c[C_GUARD]
    end
    c[C_USED] = c[C_USED] + units
    return
  end
  if kind ~= SLIDING then
    local level = drain(c)
    if level < 0 then level = 0 end
    if is_taken then
      local last = c[C_VALUES]
      while last > OTHER_VALUES and c[last + 1] >= level do last = last - 2 end
      if last == OTHER_VALUES + LOW_VALUES_MAX then
        c[last] = now
      else
        c[last + 2], c[last + 3] = now, level
        last = last + 2
      end
      c[C_VALUES] = last
    end
    c[C_LEVEL] = level + units
  end
  if kind >= SLIDING then
    c[C_LOGGED] = c[C_LOGGED] + units
    if c[C_LAST] ~= NONE and now <= c[C_FIRST] + c[C_WINDOW] / GRANULES then
      c[C_LAST], c[C_UNITS] = now, c[C_UNITS] + units
      return
    end
    if c[C_LAST] ~= NONE then pages().append(c) end
    c[C_FIRST], c[C_LAST], c[C_UNITS] = now, now, units
  end
end

local function used_of(c)
  local kind = c[C_KIND]
  if kind == BUCKET then
    local level = c[C_LEVEL] - (now - c[C_AT]) * (c[C_AMOUNT] / c[C_WINDOW])
    return level > 0 and level or 0
  end
  if kind <= FIRST_USE then return c[C_USED] end
  return c[C_LOGGED]
end

-- Gives back units that were taken at `taken_at`, as far as they still count.
local function refund(c, units, taken_at)
  local kind = c[C_KIND]
  if kind ~= BUCKET then advance(c) end
  if taken_at < c[C_BEGUN] then return end
  if kind == FIXED or kind == FIRST_USE then
    if c[C_LATEST] ~= NONE and taken_at >= c[C_LATEST] - c[C_WINDOW] - c[C_GUARD] then
      local left = c[C_USED] - units
      c[C_USED] = left > 0 and left or 0
    end
    return
  end
  if kind ~= SLIDING then
    local level, last = drain(c), c[C_VALUES]
    local since = last
    while since > OTHER_VALUES and c[since] > taken_at do since = since - 2 end
    local back = level
    if since < last and c[since + 3] < back then back = c[since + 3] end
    if units < back then back = units end
    if back > 0 then
      c[C_LEVEL] = level - back
      for i = since + 3, last + 1, 2 do c[i] = c[i] - back end
    end
  end
  if kind >= SLIDING then
    if c[C_LAST] == NONE or c[C_FIRST] > taken_at then
      pages().refund(c, units, taken_at)
    elseif taken_at <= c[C_LAST] then
      local left = c[C_UNITS] - units
      if left < 0 then left = 0 end
      c[C_LOGGED] = c[C_LOGGED] - (c[C_UNITS] - left)
      c[C_UNITS] = left
    end
  end
end

-- When `units` fit by the terms at `t` after `ahead` were taken.
local function earliest_of(c, t, ahead, units)
  local amount, kind, at = c[C_AMOUNT], c[C_KIND], now
  if units > amount then return INF end
  units = units + terms[t + T_RESERVE]
  if units > amount then units = amount end
  local guard = terms[t + T_GUARD]
  if kind == FIXED or kind == FIRST_USE then
    local latest, used = c[C_LATEST], c[C_USED] + (ahead + units)
    if latest == NONE then return now end
    if used <= amount then
      return now < c[C_EARLIEST] - guard and now or math.max(now, latest)
    end
    local over = math.max(ceil((used - amount) / amount), 1) - 1
    return math.max(now, latest + over * c[C_WINDOW])
  end
  if kind ~= SLIDING then
    local per_us, burst = amount / c[C_WINDOW], terms[t + T_BURST]
    guard = guard * per_us
    local level = c[C_LEVEL] - (now - c[C_AT]) * per_us
    if level < -amount then level = -amount end
    if level < -guard then level = -guard end
    local excess = level + ahead - (units <= burst and burst - units - guard or -guard)
    if excess > 0 then
      local later = now + excess / per_us
      if later > at then at = later end
    end
  end
  if kind >= SLIDING then
    local later = earliest_logged(c, ahead + units)
    if later > at then at = later end
  end
  return at
end

-- The longest time that any limit takes to make up for the charge behind `base`.
local function cost(charge, base)
  local most = 1
  for i = 1, #counts do
    local c = counts[i]
    local amount = c[C_AMOUNT]
    local one = charge[base + c[C_METRIC]] * c[C_WINDOW] / (amount > 1 and amount or 1)
    if one > most then most = one end
  end
  return most
end

-- Instances.

local mine = fetched[4] and { numbers(INSTANCE, fetched[4]) }

-- Who waits: instance, when it asks again, when somebody there was let in last, what time it was told
-- of last, all of it as it is kept.
local WAITS = 5
local waiting, waiting_changed, stop_waiting = {}, false, nil
if fetched[3] then
  local all, at, w = fetched[3], 1, 0
  while at < #all do
    local id, wake, granted, said, length, from = numbers('<c16dddH', all, at)
    waiting[w + 1], waiting[w + 2], waiting[w + 3], waiting[w + 4] = id, wake, granted, said
    waiting[w + 5] = all:sub(at, from + length - 1)
    w, at = w + WAITS, from + length
  end
end
if fetched[3] or ask[A_LEAVES] == 1 then
  function stop_waiting(id)
    for i = 1, #waiting, WAITS do
      if waiting[i] == id then
        for _ = 1, WAITS do table.remove(waiting, i) end
        waiting_changed = true
        return
      end
    end
  end
end

local function share(own)
  local total, count = state[S_DEMAND], state[S_INSTANCES]
  if not own then return 0 end
  if count < 1 then count = 1 end
  if total <= 0 then return 1 / count end
  local least = DEMAND_FLOOR * total / count
  return (own + least) / (total + least * state[S_INSTANCES])
end

-- Those who come, go, and are silent.
local present
local left_share, left_for = 0, 0
if now > state[S_SILENT] or #away > 0 or not mine or ask[A_LEAVES] == 1 then
  present = {}
  local rules, members = present, nil

  local function load_members()
    if not members then
      local all = call('HGET', key, 'm') or ''
      members = {}
      for at = 1, #all, 16 do members[#members + 1] = all:sub(at, at + 15) end
    end
    return members
  end

  local function keep_members(ids)
    members = ids
    writes[#writes + 1] = 'm'
    writes[#writes + 1] = table.concat(ids)
    state[S_INSTANCES] = #ids
  end

  function rules.join()
    local ids = load_members()
    ids[#ids + 1] = me
    table.sort(ids)
    keep_members(ids)
  end

  -- Nothing stays of these instances; their demand has been taken off. What was fetched of somebody
  -- who is forgotten is not there any more.
  function rules.forget(gone)
    local ids, names, left = {}, {}, {}
    for i = 1, #gone do
      ids[gone[i]] = true
      if stop_waiting then stop_waiting(gone[i]) end
      deletes[#deletes + 1] = 'i' .. gone[i]
    end
    for _, field in ipairs(call('HKEYS', key)) do
      if field:sub(1, 1) == 'o' and ids[field:sub(2, 17)] and opened[field] == nil then
        names[#names + 1] = field
      end
    end
    local values = fetch(names)
    for i = 1, #names do opened[names[i]] = values[i] end
    for name, value in pairs(opened) do
      if value and ids[name:sub(2, 17)] then
        opened[name], changed_open[name] = false, true
        local open = { numbers(OPEN, value) }
        for m = 1, 5 do
          state[S_FLIGHT + m] = math.max(state[S_FLIGHT + m] - open[2 + m], 0)
        end
        state[S_OPEN] = state[S_OPEN] - 1
      end
    end
    for _, id in ipairs(load_members()) do
      if not ids[id] then left[#left + 1] = id end
    end
    keep_members(left)
  end

  -- Instances that have been silent too long are gone: what they had open is spent.
  function rules.part_with_silent()
    local ids, names = load_members(), {}
    for i = 1, #ids do names[i] = 'i' .. ids[i] end
    local values, gone, bound, lost = fetch(names), {}, INF, 0
    for i = 1, #ids do
      local _, seen, lease, demand = numbers(INSTANCE, values[i])
      if now > seen + lease then
        gone[#gone + 1] = ids[i]
        -- It may have been using its share since it was heard last.
        local part, before = share(demand) * AWAY_PART, math.max(now - elapsed - seen, 0)
        lost = lost + demand
        for j = 1, #counts do
          local c = counts[j]
          if before > 0 then put(c, c[C_AMOUNT] / c[C_WINDOW] * before * part) end
        end
        away[#away + 1] = { ids[i], part, now + AWAY, seen }
        if ids[i] == me then mine = nil end
      else
        bound = math.min(bound, seen + lease)
      end
    end
    state[S_SILENT] = bound
    state[S_DEMAND], state[S_INSTANCES] = state[S_DEMAND] - lost, state[S_INSTANCES] - #gone
    if #gone > 0 then
      table.sort(away, function(a, b) return a[1] < b[1] end)
      rules.forget(gone)
    end
  end

  -- Room for those who are out of touch; the sender is not any more.
  function rules.allow_for_away()
    local sum, kept = 0, {}
    for i = 1, #away do sum = sum + away[i][2] end
    if sum > 0 and elapsed > 0 then
      for i = 1, #counts do
        local c = counts[i]
        put(c, c[C_AMOUNT] / c[C_WINDOW] * math.min(elapsed, AWAY) * math.min(sum, 1))
      end
    end
    for i = 1, #away do
      if away[i][3] > now then
        if away[i][1] == me then
          -- What was left to the sender, and for how long.
          left_share, left_for = away[i][2], math.min(now, away[i][3]) - away[i][4]
        else
          kept[#kept + 1] = away[i]
        end
      end
    end
    away = kept
  end
end

if now > state[S_SILENT] then present.part_with_silent() end
-- Everybody was out of touch: they come back one by one, each with what it has used.
if state[S_INSTANCES] == 0 and #away > 1 and now + GATHERING > state[S_LEARNING] then
  state[S_LEARNING] = now + GATHERING
end
if #away > 0 then present.allow_for_away() end

-- 1: newer, 0: repeated, -1: older than what was heard from the sender before.
local order = 1
if not mine then
  mine = { 0, 0, 0, 0, 0 }
  present.join()
end
if ask[A_SEQUENCE] < mine[1] then
  order = -1
else
  if ask[A_SEQUENCE] == mine[1] then order = 0 end
  local lease, demand = ask[A_LEASE], ask[A_DEMAND]
  state[S_DEMAND] = state[S_DEMAND] - mine[4] + demand
  mine = { ask[A_SEQUENCE], now, lease, demand, mine[5] }
  if now + lease < state[S_SILENT] then state[S_SILENT] = now + lease end
end

local answer, grants, wakes, wake = { '' }, 0, {}, INF

-- All of this only for messages that are not older; not indented, as it is most of the script.
if order >= 0 then

-- What the sender believes of limits. `judges`: the counts by its terms, in their order.

local restates = ask[A_EPOCH] ~= NONE and ask[A_EPOCH] ~= state[S_EPOCH]
if restates and now < state[S_CREATED] + LEARNING * 4 then
  state[S_LEARNING] = state[S_CREATED] + LEARNING
end
local judges, terms_count, is_known = {}, ask[A_TERMS], ask[A_CORRECTIONS] == 0
for j = 1, terms_count do
  local t = (j - 1) * TERM_SIZE
  local metric, window = terms[t + T_METRIC], terms[t + T_MS] * 1000
  local judge = false
  if terms[t + T_SINCE] > now then terms[t + T_SINCE] = now end
  for i = 1, #counts do
    local c = counts[i]
    if c[C_METRIC] == metric and c[C_WINDOW] == window then
      judge = c
      if terms[t + T_SINCE] > c[C_SINCE] then is_known = false end
    end
  end
  judges[j] = judge
  is_known = is_known and judge
end

local anchor, add, change, correct
if not is_known or not only_buckets then
  -- Limits that come or change, and what the provider counts otherwise.

  -- Takes up of a sender's end of the window what is later than what is known. Further away than one
  -- window it is by another clock.
  function anchor(c, t)
    local latest, window = terms[t + T_LATEST], c[C_WINDOW]
    local is_near = latest > now - window and terms[t + T_EARLIEST] <= now + window
    if latest ~= NONE and is_near and (c[C_LATEST] == NONE or latest > c[C_LATEST] - c[C_WINDOW] / 2) then
      c[C_EARLIEST], c[C_LATEST] = terms[t + T_EARLIEST], latest
    end
  end

  local function renew(c, t, used)
    local old, kind = c[C_KIND], terms[t + T_KIND]
    if old and old >= SLIDING and c[C_OLDEST] ~= NONE then pages().set(c, '') end
    c[C_METRIC], c[C_WINDOW] = terms[t + T_METRIC], terms[t + T_MS] * 1000
    c[C_AMOUNT], c[C_KIND] = terms[t + T_AMOUNT], kind
    c[C_SINCE], c[C_GUARD] = terms[t + T_SINCE], terms[t + T_GUARD]
    c[C_CORRECTED], c[C_GENERATION], c[C_BEGUN], c[C_TAKEN] = 0, 1, now, 0
    if kind == FIXED or kind == FIRST_USE then
      c[C_VALUES], c[C_USED], c[C_EARLIEST], c[C_LATEST] = FIXED_VALUES, 0, NONE, NONE
      anchor(c, t)
    else
      c[C_VALUES], c[C_LEVEL], c[C_AT], c[C_LOGGED] = OTHER_VALUES, 0, now, 0
      c[C_OLDEST], c[C_FIRST], c[C_LAST], c[C_UNITS] = NONE, NONE, NONE, 0
    end
    put(c, used)
  end

  function add(t)
    local c, at, metric, window = {}, 1, terms[t + T_METRIC], terms[t + T_MS] * 1000
    renew(c, t, terms[t + T_USED])
    while counts[at] and (counts[at][C_METRIC] < metric
      or counts[at][C_METRIC] == metric and counts[at][C_WINDOW] < window) do
      at = at + 1
    end
    table.insert(counts, at, c)
    return c
  end

  -- The sender's belief is younger.
  function change(c, t)
    if terms[t + T_KIND] ~= c[C_KIND] then
      local used = math.max(math.floor(used_of(c)), 0)
      local corrected, generation, taken = c[C_CORRECTED], c[C_GENERATION], c[C_TAKEN]
      renew(c, t, used)
      c[C_CORRECTED], c[C_GENERATION], c[C_TAKEN] = corrected, generation + 1, taken
    else
      if c[C_KIND] == BUCKET or c[C_KIND] == UNKNOWN then drain(c) end
      c[C_AMOUNT], c[C_SINCE] = terms[t + T_AMOUNT], terms[t + T_SINCE]
    end
  end

  local function lower(c, units)
    local kind = c[C_KIND]
    if kind == BUCKET then
      local level = drain(c)
      if level > 0 then
        local lowered = math.max(level - units, 0)
        c[C_LEVEL] = lowered
        for i = C_LOW + 1, c[C_VALUES] + 1, 2 do
          c[i] = math.max(c[i] - (level - lowered), 0)
        end
      end
      return
    end
    advance(c)
    if kind <= FIRST_USE then
      c[C_USED] = math.max(c[C_USED] - units, 0)
    else
      pages().lower(c, units)
    end
  end

  -- Corrects by `step`, as far as nobody has since `corrected` was the sum.
  function correct(c, step, corrected)
    local since, left = c[C_CORRECTED] - corrected, nil
    if step > 0 then
      left = math.max(step - math.max(since, 0), 0)
    else
      left = math.min(step - math.min(since, 0), 0)
    end
    if left > 0 then put(c, left) elseif left < 0 then lower(c, -left) end
    c[C_CORRECTED] = c[C_CORRECTED] + left
  end
end

for j = 1, terms_count do
  local t, c = (j - 1) * TERM_SIZE, judges[j]
  local is_new = not c
  if is_new then
    c = add(t)
    judges[j] = c
  end
  if c[C_KIND] ~= BUCKET then advance(c) end
  if terms[t + T_GUARD] > c[C_GUARD] then c[C_GUARD] = terms[t + T_GUARD] end
  if terms[t + T_SINCE] > c[C_SINCE] then change(c, t) end
  local kind = c[C_KIND]
  if (kind == FIXED or kind == FIRST_USE) and terms[t + T_KIND] == kind then anchor(c, t) end
  if restates then
    local missing = terms[t + T_USED] - used_of(c)
    if missing > 0 then put(c, missing) end
  elseif order > 0 and not is_new and terms[t + T_SPENT] > 0 then
    -- What the sender took while it was out of touch, less the room that was left for it. How much of
    -- that was in the present fixed window is not known.
    local missing = terms[t + T_SPENT]
    if kind ~= FIXED and kind ~= FIRST_USE then
      missing = missing - c[C_AMOUNT] / c[C_WINDOW] * left_for * left_share
    end
    if missing > 0 then put(c, missing) end
  end
end
-- A limit that nobody names any more is not a limit any more; who has just come names none.
if terms_count > 0 and terms_count < #counts and state[S_INSTANCES] == 1 then
  local named, is_named = {}, {}
  for j = 1, terms_count do is_named[judges[j]] = true end
  for i = 1, #counts do
    local c = counts[i]
    if is_named[c] then
      named[#named + 1] = c
    elseif c[C_KIND] >= SLIDING and (c[C_OLDEST] ~= NONE or changed_pages) then
      pages().set(c, '')
    end
  end
  counts = named
end

-- Closes reservations. One that is not open was closed before, or never let in. A closed one is its
-- name and what was charged; an open one its weight, when, charge, and tenant's field.
for i = 1, closed_end, CLOSE_SIZE do
  local name = closed[i]
  local value = opened[name]
  if value then
    opened[name], changed_open[name] = false, true
    local open = { numbers(OPEN, value) }
    local differs = false
    for m = 1, 5 do
      local held = open[2 + m]
      local left = state[S_FLIGHT + m] - held
      state[S_FLIGHT + m] = left > 0 and left or 0
      if closed[i + m] ~= held then differs = true end
    end
    state[S_OPEN] = state[S_OPEN] - 1
    if differs then
      for j = 1, #counts do
        local c = counts[j]
        local metric = c[C_METRIC]
        local more = closed[i + metric] - open[2 + metric]
        if more < 0 then
          refund(c, -more, open[2])
        elseif more > 0 then
          put(c, more, true)
        end
      end
      local tag = open[8]
      if tags[tag] == nil then fetch_tags({ tag }) end
      if tags[tag] then
        local weight = open[1] > 1 and open[1] or 1
        tags[tag] = tags[tag] + (cost(closed, i) - cost(open, 2)) / weight
      end
    end
  end
end

-- What the sender has learned.

if order > 0 then
  for i = 1, ask[A_CORRECTIONS] * CORRECTION_SIZE, CORRECTION_SIZE do
    local metric, window = corrections[i], corrections[i + 1] * 1000
    for j = 1, #counts do
      local c = counts[j]
      if c[C_METRIC] == metric and c[C_WINDOW] == window
        and c[C_GENERATION] == corrections[i + 4] then
        correct(c, corrections[i + 2], corrections[i + 3])
      end
    end
  end
  if now + ask[A_PAUSE] > state[S_PAUSE] then state[S_PAUSE] = now + ask[A_PAUSE] end
  if ask[A_TEACHES] == 1 then
    state[S_KNOWN] = state[S_KNOWN] + 1
    writes[#writes + 1] = 'k'
    writes[#writes + 1] = message:sub(place)
  end
end

-- Who goes.

-- A candidate: where it starts, whose it is, its seat, its charge (behind a place in a list), its
-- place among the heads or those who wait, its cost, and when somebody of its instance was let in last.
local P_START, P_ID, P_SEAT, P_CHARGES, P_BASE, P_PLACE, P_COST = 1, 2, 3, 4, 5, 6, 7
local P_GRANTED = 8
local lines, seats, left, untold = { false, false, false }, 0, 0, 0
local told, tails, with_tails

-- What waits at others: candidates, and what waits behind those.
if #waiting > 0 then
  told, tails = {}, {}
  local others, names = {}, {}
  for i = 1, #waiting, WAITS do
    if waiting[i] ~= me and now <= waiting[i + 1] + GRACE then
      local text = waiting[i + 4]
      local size, fronts = text:byte(43, 44)
      local segment = { numbers('<' .. ('Bc0ddddddd'):rep(size + fronts), text, 45) }
      others[#others + 1] = { i, segment, size, fronts }
      for at = 1, (size + fronts) * 8, 8 do names[#names + 1] = segment[at] end
    end
  end
  fetch_tags(names)
  for i = 1, #others do
    local other, starts = others[i], {}
    local segment, id, size = other[2], waiting[other[1]], other[3]
    for at = 1, size * 8, 8 do
      local tag, tier, weight = segment[at], segment[at + 1], segment[at + 2]
      local start, virtual = starts[tag] or tags[tag], state[S_VIRTUAL + tier]
      if not start or start < virtual then start = virtual end
      local line = lines[tier] or {}
      lines[tier] = line
      seats = seats + 1
      line[#line + 1] = { start, id, seats, segment, at + 2, other[1], 0, waiting[other[1] + 2] }
      starts[tag] = start + cost(segment, at + 2) / (weight > 1 and weight or 1)
    end
    if size > 0 then untold = untold + 1 end
    for at = size * 8 + 1, (size + other[4]) * 8, 8 do
      local tag, tier, weight = segment[at], segment[at + 1], math.max(segment[at + 2], 1)
      local named = 0
      for h = 1, size * 8, 8 do
        if segment[h] == tag then named = named + cost(segment, h + 2) end
      end
      local start, virtual = tags[tag], state[S_VIRTUAL + tier]
      if not start or start < virtual then start = virtual end
      tails[#tails + 1] = {
        tier = tier,
        start = start + named / weight,
        length = cost(segment, at + 2) / weight,
        charges = segment,
        base = at + 2,
      }
    end
  end
end

if tails and #tails > 0 then
  -- What goes before a candidate: those in front of it, and what others have not named.
  function with_tails(candidate, tier, ahead, tails)
    local before = { ahead[1], ahead[2], ahead[3], ahead[4], ahead[5] }
    local is_owed = state[S_CREDIT + tier] > 0
    for i = 1, #tails do
      local tail, part = tails[i], 0
      if tail.tier == tier then
        part = math.max(math.min((candidate[P_START] - tail.start) / tail.length, 1), 0)
      elseif tail.tier < tier and not is_owed then
        part = 1
      end
      if part > 0 then
        for m = 1, 5 do
          local units = tail.charges[tail.base + m]
          if units > 0 then before[m] = before[m] + math.floor(units * part) end
        end
      end
    end
    return before
  end
end

-- Heads of the sender; those that were let in before are granted again.
local starts = {}
for i = 1, heads_end, HEAD_SIZE do
  if opened[heads[i]] then
    grants = grants + 1
    answer[grants + 1] = bytes('<Bd', 0, (i - 1) / HEAD_SIZE)
  else
    local tag, tier, weight = heads[i + H_TAG], heads[i + H_TIER], heads[i + H_WEIGHT]
    local start, virtual = starts[tag] or tags[tag], state[S_VIRTUAL + tier]
    if not start or start < virtual then start = virtual end
    local price, line = cost(heads, i + H_CHARGE), lines[tier]
    seats, left = seats + 1, left + 1
    local candidate = { start, me, seats, heads, i + H_CHARGE, i, price, mine[5] }
    if line then line[#line + 1] = candidate else lines[tier] = { candidate } end
    starts[tag] = start + price / (weight > 1 and weight or 1)
  end
end
if seats > 1 then
  local function is_before(a, b)
    if a[P_START] ~= b[P_START] then return a[P_START] < b[P_START] end
    -- A tenant's turn goes round its instances.
    if a[P_GRANTED] ~= b[P_GRANTED] then return a[P_GRANTED] < b[P_GRANTED] end
    if a[P_ID] ~= b[P_ID] then return a[P_ID] < b[P_ID] end
    return a[P_SEAT] < b[P_SEAT]
  end
  for t = 1, 3 do
    if lines[t] then table.sort(lines[t], is_before) end
  end
end

-- Where the next of each tier stands, where the first of those starts who were passed over, and what
-- all of those take.
local front, passed, kept = { 1, 1, 1 }, { INF, INF, INF }, {}
local ahead, ahead_count = { 0, 0, 0, 0, 0 }, 0
if with_tails then
  for i = 1, #tails do
    local t = tails[i].tier
    passed[t] = math.min(passed[t], tails[i].start)
  end
end
local most_in_flight = ask[A_IN_FLIGHT]
local said = INF
for i = 1, #waiting, WAITS do
  if waiting[i] == me then said = waiting[i + 3] end
end
while left > 0 or untold > 0 do
  local tier, first, most = nil, nil, 0
  for t = 1, 3 do
    if lines[t] and lines[t][front[t]] then
      first = first or t
      if state[S_CREDIT + t] > most then tier, most = t, state[S_CREDIT + t] end
    end
  end
  tier = tier or first
  local candidate = lines[tier][front[tier]]
  front[tier] = front[tier] + 1
  local id, charges, base = candidate[P_ID], candidate[P_CHARGES], candidate[P_BASE]
  local is_mine, goes, i = id == me, false, candidate[P_PLACE]
  if is_mine or not told[id] then
    -- The earliest time for it; infinite: not by itself.
    local at = now
    if most_in_flight ~= NONE and state[S_OPEN] + ahead_count >= most_in_flight then
      at = INF
    else
      local before = with_tails and with_tails(candidate, tier, ahead, tails) or ahead
      if state[S_PAUSE] > at then at = state[S_PAUSE] end
      if state[S_LEARNING] > at then at = state[S_LEARNING] end
      local spaced = state[S_LAUNCH] + ask[A_SPACING]
      if spaced > at then at = spaced end
      for j = 1, terms_count do
        local c = judges[j]
        local metric = c[C_METRIC]
        local units = charges[base + metric]
        if units > 0 then
          local later = earliest_of(c, (j - 1) * TERM_SIZE, before[metric], units)
          if later > at then at = later end
        end
      end
    end
    if is_mine then
      left = left - 1
      goes = at <= now
      if not goes then
        if at < wake then wake = at end
        kept[#kept + 1] = i
      end
    else
      told[id] = true
      untold = untold - 1
      if at + SOONER < waiting[i + 1] and at + SOONER < waiting[i + 3] then
        local text = waiting[i + 4]
        waiting[i + 1], waiting[i + 3] = at, at
        waiting[i + 4] = text:sub(1, 16) .. bytes('<d', at) .. text:sub(25, 32) .. bytes('<d', at)
          .. text:sub(41)
        waiting_changed = true
        wakes[#wakes + 1] = id
      end
    end
  end
  if goes then
    local used = {}
    for j = 1, #counts do
      local c = counts[j]
      local units = heads[base + c[C_METRIC]]
      if units > 0 then put(c, units, true) end
      used[j] = ceil(used_of(c))
    end
    for m = 1, 5 do state[S_FLIGHT + m] = state[S_FLIGHT + m] + heads[base + m] end
    local name, tag, weight = heads[i], heads[i + H_TAG], heads[i + H_WEIGHT]
    local price, virtual, start = candidate[P_COST], state[S_VIRTUAL + tier], tags[tag]
    if not start or start < virtual then start = virtual end
    tags[tag] = start + price / (weight > 1 and weight or 1)
    -- Nobody loses a turn because somebody else had room before.
    local least, following = passed[tier], lines[tier][front[tier]]
    if following and following[P_START] < least then least = following[P_START] end
    if start < least then least = start end
    if least > virtual then state[S_VIRTUAL + tier] = least end
    if price > state[S_SCALE] then state[S_SCALE] = price end
    local bound = CREDIT_COSTS_MAX * state[S_SCALE]
    for t = 1, 3 do
      if t == tier or passed[t] < INF or lines[t] and lines[t][front[t]] then
        local credit = state[S_CREDIT + t] + price * ask[A_SHARES + t] / PPM
        if t == tier then credit = credit - price end
        if credit > bound then credit = bound elseif credit < -bound then credit = -bound end
        state[S_CREDIT + t] = credit
      end
    end
    state[S_LAUNCH], mine[5], said = now, now, INF
    if not opened[name] then state[S_OPEN] = state[S_OPEN] + 1 end
    opened[name] = bytes(OPEN, weight, now, heads[base + 1], heads[base + 2], heads[base + 3],
      heads[base + 4], heads[base + 5], #tag, tag)
    changed_open[name] = true
    grants = grants + 1
    answer[grants + 1] = bytes('<B' .. ('d'):rep(#used + 1), #used, (i - 1) / HEAD_SIZE, unpack(used))
  else
    if candidate[P_START] < passed[tier] then passed[tier] = candidate[P_START] end
    local can_ever_go = true
    for j = 1, terms_count do
      local c = judges[j]
      if charges[base + c[C_METRIC]] > c[C_AMOUNT] then can_ever_go = false end
    end
    if can_ever_go then
      for m = 1, 5 do ahead[m] = ahead[m] + charges[base + m] end
      ahead_count = ahead_count + 1
    end
  end
end

-- Who still waits at the sender is kept for the others.
if #waiting > 0 or heads_end > 0 then
  if stop_waiting then stop_waiting(me) end
  local size = math.min(#kept, HEADS_MAX)
  local parts, fronts = {}, 0
  for k = 1, size do
    local i = kept[k]
    local tag = heads[i + H_TAG]
    parts[k] = bytes('<Bc0ddddddd', #tag, tag, heads[i + H_TIER], heads[i + H_WEIGHT],
      heads[i + 4], heads[i + 5], heads[i + 6], heads[i + 7], heads[i + 8])
  end
  for i = 1, heads_end, HEAD_SIZE do
    if fronts < HEADS_MAX and heads[i + H_BEHIND] ~= '' then
      local tag = heads[i + H_TAG]
      fronts = fronts + 1
      parts[size + fronts] = bytes('<Bc0dd', #tag, tag, heads[i + H_TIER], heads[i + H_WEIGHT])
        .. heads[i + H_BEHIND]
    end
  end
  if #parts > 0 then
    local all, at = table.concat(parts), 1
    while waiting[at] and waiting[at] < me do at = at + WAITS end
    table.insert(waiting, at,
      bytes('<c16dddHBB', me, wake, mine[5], said, #all + 2, size, fronts) .. all)
    table.insert(waiting, at, said)
    table.insert(waiting, at, mine[5])
    table.insert(waiting, at, wake)
    table.insert(waiting, at, me)
    waiting_changed = true
  end
end

if ask[A_LEAVES] == 1 then
  state[S_DEMAND] = state[S_DEMAND] - mine[4]
  mine = nil
  present.forget({ me })
end
for name, tag in pairs(tags) do
  local stored = tag_stored[name]
  if tag and tag > state[S_VIRTUAL + name:byte(2) - 48] then
    local value = bytes('<d', tag)
    if value ~= stored then
      writes[#writes + 1] = name
      writes[#writes + 1] = value
    end
    if not stored then state[S_TAGS] = state[S_TAGS] + 1 end
  elseif stored then
    deletes[#deletes + 1] = name
    state[S_TAGS] = state[S_TAGS] - 1
  end
end
-- Tenants that have not been back for long: looked for whenever their number has doubled.
if state[S_TAGS] > 2 * state[S_SWEPT] + 256 then
  local names = {}
  for _, field in ipairs(call('HKEYS', key)) do
    if field:sub(1, 1) == 't' and tags[field] == nil then names[#names + 1] = field end
  end
  local values = fetch(names)
  for i = 1, #names do
    if numbers('<d', values[i]) <= state[S_VIRTUAL + names[i]:byte(2) - 48] then
      deletes[#deletes + 1] = names[i]
      state[S_TAGS] = state[S_TAGS] - 1
    end
  end
  state[S_SWEPT] = state[S_TAGS]
end

end

-- What is left of it all, and what the sender is told.

local known, knowledge = 0, ''
if state[S_KNOWN] > ask[A_KNOWS] then
  known = state[S_KNOWN]
  knowledge = order > 0 and ask[A_TEACHES] == 1 and message:sub(place) or call('HGET', key, 'k')
end
answer[1] = bytes('<ddddddddddd', state[S_EPOCH], now,
  state[S_LEARNING] > now and state[S_LEARNING] - now or 0, wake == INF and NONE or ceil(wake),
  state[S_OPEN], share(mine and mine[4]) * 1000000, state[S_INSTANCES], known, grants, #counts,
  #wakes)

state[S_COUNTS], state[S_AWAY] = #counts, #away
local kept, longest = { '' }, ask[A_LEASE]
for i = 1, #counts do
  local c = counts[i]
  local metric, window = c[C_METRIC], c[C_WINDOW]
  answer[#answer + 1] = bytes(LEVELS, metric, window / 1000, c[C_AMOUNT], c[C_KIND],
    ceil(used_of(c)), c[C_CORRECTED], c[C_GENERATION], c[C_TAKEN], state[S_FLIGHT + metric])
  if window + c[C_GUARD] > longest then longest = window + c[C_GUARD] end
  kept[i + 1] = bytes(COUNT:sub(1, c[C_VALUES] + 2), unpack(c))
end
for i = 1, #wakes do answer[#answer + 1] = wakes[i] end
answer[#answer + 1] = knowledge

-- Extended when a quarter is over, or more is needed than was.
local ttl = ceil((2 * longest + AWAY) / 1000)
if ttl < TTL_MIN_MS then ttl = TTL_MIN_MS end
local is_extended = now + ttl * 750 > state[S_EXPIRES]
if is_extended then state[S_EXPIRES] = now + ttl * 1000 end

kept[1] = bytes(STATE, FORMAT, #counts, #away, #state[S_SERVER], unpack(state, S_SERVER))
for i = 1, #away do kept[#kept + 1] = bytes('<c16ddd', unpack(away[i], 1, 4)) end
n = #writes
writes[n + 1], writes[n + 2] = 's', table.concat(kept)
n = n + 2
if mine then
  writes[n + 1], writes[n + 2] = 'i' .. me, bytes(INSTANCE, unpack(mine, 1, 5))
  n = n + 2
end
for name in pairs(changed_open) do
  if opened[name] then
    writes[n + 1], writes[n + 2] = name, opened[name]
    n = n + 2
  else
    deletes[#deletes + 1] = name
  end
end
for name, pieces in pairs(changed_pages or {}) do
  if pieces == '' then
    deletes[#deletes + 1] = name
  else
    writes[n + 1], writes[n + 2] = name, pieces
    n = n + 2
  end
end
if waiting_changed then
  local all = {}
  for i = WAITS, #waiting, WAITS do all[i / WAITS] = waiting[i] end
  if #all > 0 then
    writes[n + 1], writes[n + 2] = 'w', table.concat(all)
    n = n + 2
  else
    deletes[#deletes + 1] = 'w'
  end
end
for first = 1, #deletes, 4000 do
  call('HDEL', key, unpack(deletes, first, math.min(first + 3999, #deletes)))
end
for first = 1, n, 4000 do
  call('HSET', key, unpack(writes, first, math.min(first + 3999, n)))
end
if is_extended then call('PEXPIRE', key, ttl) end
for i = 1, #wakes do call('PUBLISH', ARGV[3] .. wakes[i], ARGV[4]) end
return table.concat(answer)
