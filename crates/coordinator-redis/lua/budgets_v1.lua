-- One message about some budgets, format 1: the rules of `Accounts` in `paceline-coordinator`, operation
-- by operation, so that both give the same answers. Change both or neither.
--
-- KEYS     the accounts, one hash each; all in one slot of a cluster
-- ARGV[1]  the message (budgets/wire.rs)
-- ARGV[2]  the channel on which room, and the need for shares, are told
-- ARGV[3…] the budgets' names, which is what is told there
--
-- Fields of a hash; numbers are little-endian doubles:
--   s        the account, see ACCOUNT; behind it the shares, see SHARE
--   o<call>  what is known of a call, see ENTRY
--   moved    set by a newer format that has taken the account over: this one stops
--
-- Whole numbers are exact up to 2^53, where sums stop. Divisions are made of numbers that are multiples.

local FORMAT, CEILING = 1, 9007199254740992
local KEEP, SHARE_TIME, TIGHT = 600000, 600000, 10000
local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
local YEARS = 400 * DAY
local RESERVE, CLOSE, SEED = 1, 2, 3
local OPEN, EXPIRED, CLOSED = 1, 2, 3
local RESERVED, WAIT, REFUSED, UNSEEDED, ENDED, DONE = 1, 2, 3, 4, 5, 6
local HELD, ELSEWHERE = 1, 2
local ACCOUNT, SHARE, ENTRY = '<Bddddddddddd', '<c16ddd', '<Bdddd'
local LINE = '<ddddddddddd'

local call, bytes, numbers = redis.call, struct.pack, struct.unpack
local floor, fmod, min, max = math.floor, math.fmod, math.min, math.max
local clock = redis.call('TIME')
local raw = clock[1] * 1000 + floor(clock[2] / 1000)

local message = ARGV[1]
local me, id, op, sequence, gives_back, first, second, count, place = numbers('<c16c32dddddd', message)
local tag = 'o' .. id

local function sum(left, right) return min(left + right, CEILING) end

-- The day of the month of a day counted since 1970; years begin in March.
local function day_of_month(days)
  local day = (days + 719468) % 146097
  local year = floor((day - floor(day / 1460) + floor(day / 36524) - floor(day / 146096)) / 365)
  local of_year = day - (365 * year + floor(year / 4) - floor(year / 100))
  local month = floor((5 * of_year + 2) / 153)
  return of_year - floor((153 * month + 2) / 5) + 1
end

-- Start and end of the window that a moment lies in; no end is CEILING.
local function window(line, now)
  local period, offset = line.period, line.offset
  if period == 6 then return 0, CEILING end
  local at = now + offset
  local days = floor(at / DAY)
  local from, to
  if period == 4 then
    from = days - (days + 3) % 7
    from, to = from * DAY, (from + 7) * DAY
  elseif period == 5 then
    from = days - day_of_month(days) + 1
    to = from + 31
    to = to - day_of_month(to) + 1
    from, to = from * DAY, to * DAY
  else
    local length = period == 1 and MINUTE or period == 2 and HOUR or DAY
    from = at - at % length
    to = from + length
  end
  return max(from - offset, 0), max(to - offset, 0)
end

-- The highest threshold up to a percentage that what was spent reaches.
local function reached(line, spent, most)
  local highest = 0
  for i = 1, #line.thresholds do
    local percent = line.thresholds[i]
    local rest = fmod(line.amount, 100)
    local point = (line.amount - rest) / 100 * percent + math.ceil(rest * percent / 100)
    if percent <= most and min(point, CEILING) <= spent then highest = percent end
  end
  return highest
end

-- What is not free, besides what is spent; without one instance's share if one is named.
local function taken(account, total, without)
  for i = 1, #account.shares do
    if account.shares[i].id ~= without then total = sum(total, account.shares[i].amount) end
  end
  return total
end

local function keep(account, kind, a, b, till)
  account.entry = { kind = kind, a = a, b = b, window = account.window, till = till }
  account.due = min(account.due, till)
end

-- Reservations whose lease is over are spent in full; what was kept long enough goes.
local function sweep(key, account)
  local now, due, names = account.now, CEILING, {}
  local fields = call('HKEYS', key)
  for i = 1, #fields do
    if fields[i]:sub(1, 1) == 'o' then names[#names + 1] = fields[i] end
  end
  for start = 1, #names, 1000 do
    local last = min(start + 999, #names)
    local values = call('HMGET', key, unpack(names, start, last))
    local changed, gone = {}, {}
    for i = 1, #values do
      local name = names[start + i - 1]
      local kind, a, b, of, till = numbers(ENTRY, values[i])
      if till <= now then
        if kind == OPEN and of == account.window then
          account.held = max(account.held - a, 0)
          account.spent = sum(account.spent, a)
          till = now + KEEP
          due = min(due, till)
          changed[#changed + 1] = name
          changed[#changed + 1] = bytes(ENTRY, EXPIRED, a, b, of, till)
        else
          gone[#gone + 1] = name
        end
      else
        due = min(due, till)
      end
    end
    if #changed > 0 then call('HSET', key, unpack(changed)) end
    if #gone > 0 then call('HDEL', key, unpack(gone)) end
  end
  account.due = due
end

local function read_entry(account, text)
  account.entry, account.was_there = nil, text and true or false
  if text then
    local kind, a, b, of, till = numbers(ENTRY, text)
    account.entry = { kind = kind, a = a, b = b, window = of, till = till }
  end
end

local function read(text)
  local format, epoch, now, from, spent, held, amount, told, tight, awaited, due, n, at
  format, epoch, now, from, spent, held, amount, told, tight, awaited, due, n, at =
    numbers(ACCOUNT, text)
  if format ~= FORMAT then return nil end
  local account = { epoch = epoch, now = now, window = from, spent = spent, held = held, amount = amount,
    told = told, tight = tight, awaited = awaited, due = due, shares = {} }
  for i = 1, n do
    local who, part, till, of
    who, part, till, of, at = numbers(SHARE, text, at)
    account.shares[i] = { id = who, amount = part, till = till, sequence = of }
  end
  return account
end

local function write(key, account, line)
  local texts = { bytes(ACCOUNT, FORMAT, account.epoch, account.now, account.window, account.spent,
    account.held, account.amount, account.told, account.tight, account.awaited, account.due,
    #account.shares) }
  for i = 1, #account.shares do
    local share = account.shares[i]
    texts[i + 1] = bytes(SHARE, share.id, share.amount, share.till, share.sequence)
  end
  local entry = account.entry
  if entry then
    call('HSET', key, 's', table.concat(texts), tag,
      bytes(ENTRY, entry.kind, entry.a, entry.b, entry.window, entry.till))
  else
    call('HSET', key, 's', table.concat(texts))
    if account.was_there then call('HDEL', key, tag) end
  end
  local left = line.ends == CEILING and YEARS or line.ends - account.now + 2 * KEEP
  call('PEXPIRE', key, left)
end

-- The message comes to an account: what the time alone has changed, and who sends it.
local function arrive(key, account, line)
  local now = max(account.now, raw)
  account.now = now
  account.before = taken(account, account.held)
  local from, to = window(line, now)
  line.from, line.ends = from, to
  if from > account.window then
    account.window, account.spent, account.held, account.told, account.tight = from, 0, 0, 0, 0
    account.before = CEILING * 2
    for i = 1, #account.shares do account.shares[i].amount = 0 end
  end
  if line.amount ~= account.amount then
    account.told = reached(line, account.spent, account.told)
    if line.amount > account.amount then account.before = CEILING * 2 end
    account.amount = line.amount
  end
  local left, mine = {}, nil
  for i = 1, #account.shares do
    local share = account.shares[i]
    if share.till > now and (line.hard or share.id ~= me) then
      left[#left + 1] = share
      if share.id == me then mine = share end
    end
  end
  account.shares = left
  if now >= account.due then
    sweep(key, account)
    read_entry(account, call('HGET', key, tag))
  end
  if not line.hard then return end
  if not mine then
    mine = { id = me, amount = 0, sequence = 0 }
    left[#left + 1] = mine
  end
  local is_returned = gives_back == 1 and sequence >= mine.sequence
  mine.amount = is_returned and line.keeps or max(line.keeps, mine.amount)
  mine.till, mine.sequence = now + SHARE_TIME, max(mine.sequence, sequence)
  account.mine = mine
end

-- Reads the lines and their accounts. An account that is told what was spent is opened.

local lines, accounts = {}, {}
for i = 1, count do
  local line, hard, n = {}, nil, nil
  line.amount, hard, line.period, line.offset, line.keeps, line.need, line.worst, line.receipt,
    line.epoch, line.window, n, place = numbers(LINE, message, place)
  line.hard, line.thresholds, lines[i] = hard == 1, {}, line
  for j = 1, n do line.thresholds[j], place = numbers('<d', message, place) end
  local fetched = call('HMGET', KEYS[i], 'moved', 's', tag)
  if fetched[1] then
    return redis.error_reply('PACELINE a newer version of paceline has taken over the budget '
      .. ARGV[i + 2] .. ': update this instance')
  end
  if fetched[2] then
    accounts[i] = read(fetched[2])
    if not accounts[i] then
      return redis.error_reply('PACELINE the budget ' .. ARGV[i + 2] .. ' has another format: delete '
        .. KEYS[i])
    end
    read_entry(accounts[i], fetched[3])
  end
end

for i = 1, count do
  local line = lines[i]
  line.from, line.ends = window(line, raw)
  if op == SEED and not accounts[i] and line.from == first then
    accounts[i] = { epoch = raw, now = raw, window = line.from, spent = second, held = 0,
      amount = line.amount, told = reached(line, second, CEILING), tight = 0, awaited = 0,
      due = CEILING, shares = {} }
  end
  local account = accounts[i]
  if account then
    arrive(KEYS[i], account, line)
    if op == SEED and first == account.window then account.spent = max(account.spent, second) end
  end
end

-- Reserves in all accounts or in none.

local FITS, IS_HELD, IS_ENDED, LATER, NEVER = 1, 2, 3, 4, 5
local function fit(account, line)
  local entry = account.entry
  if entry then return entry.kind == OPEN and IS_HELD or IS_ENDED end
  if not line.hard then return FITS, line.worst end
  if line.need > account.amount then return NEVER, CEILING end
  if sum(account.spent, line.need) > account.amount then return NEVER, line.ends end
  local used = taken(account, account.held)
  if sum(sum(account.spent, used), line.worst) <= account.amount then return FITS, line.worst end
  if used == 0 then return FITS, account.amount - account.spent end
  return LATER
end

local verdict, verdict_line, verdict_need, verdict_time = DONE, 0, 0, -1
if op == RESERVE then
  verdict = RESERVED
  local kinds, holds = {}, {}
  for i = 1, count do
    if not accounts[i] then
      verdict = UNSEEDED
      break
    end
    kinds[i], holds[i] = fit(accounts[i], lines[i])
  end
  if verdict ~= UNSEEDED then
    local latest = -1
    for i = 1, count do
      if kinds[i] == IS_ENDED then
        verdict = ENDED
      elseif kinds[i] == NEVER and verdict ~= ENDED and holds[i] > latest then
        latest, verdict, verdict_line, verdict_need = holds[i], REFUSED, i, lines[i].need
        verdict_time = latest < CEILING and latest or -1
      elseif kinds[i] == LATER and verdict == RESERVED then
        verdict, verdict_line = WAIT, i
      end
    end
  end
  if verdict == RESERVED then
    for i = 1, count do
      local account, till = accounts[i], sum(accounts[i].now, first)
      if kinds[i] == FITS then
        account.held = sum(account.held, holds[i])
        keep(account, OPEN, holds[i], 0, till)
      else
        account.entry.till = max(account.entry.till, till)
      end
    end
  end
end

-- The call has ended. What was crossed when this was said before is told again.

local function close(account, line)
  local entry, present = account.entry, account.window
  if not entry then
    if line.receipt == HELD and line.epoch == account.epoch then return end
    local is_known = line.receipt == HELD or line.receipt == ELSEWHERE
    local is_news = max(account.now - first, 0) >= account.epoch
    if is_known and line.window == present and is_news then
      account.spent = sum(account.spent, line.need)
    end
    keep(account, CLOSED, 0, 0, account.now + KEEP)
    return
  end
  if entry.kind == CLOSED then
    if entry.window == present then return entry.a, entry.b end
    return
  end
  if entry.window == present then
    if entry.kind == OPEN then
      account.held = max(account.held - entry.a, 0)
      account.spent = sum(account.spent, line.need)
    else
      account.spent = sum(max(account.spent - entry.a, 0), line.need)
    end
  end
  account.entry = nil
end

-- Writes the accounts back, and says how they stand.

local parts = {}
for i = 1, count do
  local account, line = accounts[i], lines[i]
  if not account then
    parts[i] = bytes('<dddddddddd', 0, 0, line.from, line.ends < CEILING and line.ends or -1, 0, 0, 0, 0,
      0, 0)
  else
    local from, to
    if op == CLOSE then from, to = close(account, line) end
    if not from then
      from, to = account.told, reached(line, account.spent, CEILING)
      if to > from then
        account.told = to
        if op == CLOSE then keep(account, CLOSED, from, to, account.now + KEEP) end
      end
    end
    local crossed = {}
    for j = 1, #line.thresholds do
      local percent = line.thresholds[j]
      if from < percent and percent <= to then crossed[#crossed + 1] = bytes('<d', percent) end
    end
    local waits = verdict == WAIT and verdict_line == i
    if waits then
      account.tight = account.now + TIGHT
      local soonest, is_shared = min(account.due, line.ends), false
      for j = 1, #account.shares do
        if account.shares[j].amount > 0 then
          soonest, is_shared = min(soonest, account.shares[j].till), true
        end
      end
      verdict_time = soonest < CEILING and soonest or -1
      if is_shared then call('PUBLISH', ARGV[2], '-' .. ARGV[i + 2]) end
    end
    local elsewhere, share = taken(account, 0, me), 0
    if account.mine then
      if account.now >= account.tight then
        local left = max(account.amount - sum(sum(account.spent, account.held), elsewhere), 0)
        local ways = 2 * #account.shares
        account.mine.amount = max(account.mine.amount, (left - fmod(left, ways)) / ways)
      end
      share = account.mine.amount
    end
    local tells = account.awaited == 1 and taken(account, account.held) < account.before
    if tells then call('PUBLISH', ARGV[2], '+' .. ARGV[i + 2]) end
    account.awaited = (waits or (account.awaited == 1 and not tells)) and 1 or 0
    write(KEYS[i], account, line)
    parts[i] = bytes('<dddddddddd', 1, account.epoch, account.window,
      line.ends < CEILING and line.ends or -1, account.spent, account.held, elsewhere, share,
      #account.shares, #crossed) .. table.concat(crossed)
  end
end
return bytes('<ddddd', raw, verdict, verdict_line - 1, verdict_need, verdict_time) .. table.concat(parts)
