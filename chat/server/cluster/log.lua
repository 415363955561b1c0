#!lua name=@LIBRARY@

-- The functions that change the log. The engine carries out each of them as one step.
--
-- The keys, in this order:
--   head      a hash: the epoch of the log, and n, writer, counter and time of its last entry
--   log       a stream: entry n has the id n-0, and one field, which holds the packed entry
--   leases    a hash: name of a server -> its incarnation, the end of its lease, its length (ms), what it has applied
--   counters  a hash: incarnation -> the counter of its last entry
--
-- A packed entry is a line "n writer counter time kind before_writer before_counter", a newline, and the payload. The
-- time is in microseconds since 1970. The kind is "e" for an entry of a server, and "f" for a fence: from there on,
-- entries of this writer are void. The fields before_... are those of the entry before, so a reader sees whether an
-- entry goes on where the reader is.
--
-- Each function answers with a list: a word, and what belongs to the word.

local function read_head(keys, epoch)
  local h = redis.call('HMGET', keys[1], 'epoch', 'n', 'writer', 'counter', 'time')
  if not h[1] or h[1] ~= epoch then
    return nil
  end
  return {n = tonumber(h[2]), writer = h[3], counter = tonumber(h[4]), time = tonumber(h[5])}
end

local function clock()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

local function id_of(n)
  return string.format('%d-0', n)
end

local function add(keys, channel, head, writer, counter, kind, payload)
  local n = head.n + 1
  local time = math.max(clock(), head.time) -- the clock may have been set back
  local packed = string.format('%d %s %d %d %s %s %d\n', n, writer, counter, time, kind, head.writer, head.counter)
    .. payload
  redis.call('XADD', keys[2], id_of(n), 'e', packed)
  redis.call('HSET', keys[1], 'n', string.format('%d', n), 'writer', writer,
    'counter', string.format('%d', counter), 'time', string.format('%d', time))
  redis.call('PUBLISH', channel, packed)
  head.n, head.writer, head.counter, head.time = n, writer, counter, time
end

-- Says whether the entry that a server has applied last is in the log: OK, CUT, or BEHIND if it was trimmed.
local function compare(keys, head, n, writer, counter)
  if n > head.n then
    return 'CUT'
  end
  if n == 0 then
    local begins = head.n == 0 or #redis.call('XRANGE', keys[2], id_of(1), id_of(1)) > 0
    return begins and 'OK' or 'BEHIND'
  end
  local found_writer, found_counter = head.writer, head.counter
  if n < head.n then
    local found = redis.call('XRANGE', keys[2], id_of(n), id_of(n))
    if #found == 0 then
      return 'BEHIND'
    end
    found_writer, found_counter = string.match(found[1][2][2], '^%d+ (%S+) (%d+)')
    found_counter = tonumber(found_counter)
  end
  if writer == found_writer and counter == found_counter then
    return 'OK'
  end
  return 'CUT'
end

local function read_lease(text)
  local incarnation, ends, length, applied = string.match(text, '^(%S+) (%d+) (%d+) (%d+)$')
  return {incarnation = incarnation, ends = tonumber(ends), length = tonumber(length), applied = tonumber(applied)}
end

local function write_lease(keys, name, lease)
  redis.call('HSET', keys[3], name,
    string.format('%s %d %d %d', lease.incarnation, lease.ends, lease.length, lease.applied))
end

local function end_lease(keys, channel, head, name, incarnation)
  add(keys, channel, head, incarnation, 0, 'f', '')
  redis.call('HDEL', keys[3], name)
  redis.call('HDEL', keys[4], incarnation)
end

-- Appends a fence for each lease that has run out.
local function fence(keys, channel, head, now)
  local all = redis.call('HGETALL', keys[3])
  for i = 1, #all, 2 do
    local lease = read_lease(all[i + 1])
    if lease.ends < now then
      end_lease(keys, channel, head, all[i], lease.incarnation)
    elseif lease.ends > now + lease.length then -- the clock was set back
      lease.ends = now + lease.length
      write_lease(keys, all[i], lease)
    end
  end
end

local function lease_of(keys, name, incarnation)
  local text = redis.call('HGET', keys[3], name)
  local lease = text and read_lease(text)
  if lease and lease.incarnation == incarnation and lease.ends >= clock() / 1000 then
    return lease
  end
  return nil
end

-- args: epoch. Begins a log, unless there is one; answers with the epoch of the log that is there then, and 1 if this
-- log is new.
local function create(keys, args)
  local epoch = redis.call('HGET', keys[1], 'epoch')
  if epoch then
    return {'OK', epoch}
  end
  if redis.call('EXISTS', keys[2]) == 1 then
    return {'CUT'}
  end
  redis.call('HSET', keys[1], 'epoch', args[1], 'n', '0', 'writer', '-', 'counter', '0', 'time', '0')
  return {'OK', args[1], 1}
end

-- args: epoch. Removes a log that no server follows, so that another one can begin. Answers HELD with the ms that a
-- lease has left.
local function drop(keys, args, head)
  local now = math.floor(clock() / 1000)
  local all = redis.call('HGETALL', keys[3])
  for i = 2, #all, 2 do
    local lease = read_lease(all[i])
    if lease.ends >= now then
      return {'HELD', lease.ends - now}
    end
  end
  redis.call('DEL', unpack(keys))
  return {'OK', head.n}
end

-- args: epoch, channel, name, incarnation, counter of the entry, n, writer and counter of what is applied, payload
local function append(keys, args, head)
  if not lease_of(keys, args[3], args[4]) then -- guard: lease
    return {'OVER'}
  end
  local counter = tonumber(args[5])
  -- A first try may arrive behind its repetition.
  if counter <= tonumber(redis.call('HGET', keys[4], args[4]) or '0') then -- guard: counter
    return {'DONE'}
  end
  local found = compare(keys, head, tonumber(args[6]), args[7], tonumber(args[8])) -- guard: identity
  if found ~= 'OK' then
    return {found}
  end
  redis.call('HSET', keys[4], args[4], args[5])
  add(keys, args[2], head, args[4], counter, 'e', args[9])
  return {'OK', head.n}
end

-- args: epoch, channel, name, incarnation, length of the lease (ms), "take" or "renew", n, writer and counter of what
-- is applied. Appends the fences that are due. Answers OK with n of the last entry, or HELD with the ms that the lease
-- of another incarnation has left.
local function hold(keys, args, head)
  local now = math.floor(clock() / 1000)
  fence(keys, args[2], head, now)
  local found = compare(keys, head, tonumber(args[7]), args[8], tonumber(args[9])) -- guard: identity
  if found ~= 'OK' then
    return {found}
  end
  local text = redis.call('HGET', keys[3], args[3])
  if text and read_lease(text).incarnation ~= args[4] then
    if args[6] == 'take' then
      return {'HELD', read_lease(text).ends - now}
    end
    return {'OVER'}
  end
  if not text and args[6] ~= 'take' then
    return {'OVER'}
  end
  local length = tonumber(args[5])
  write_lease(keys, args[3],
    {incarnation = args[4], ends = now + length, length = length, applied = tonumber(args[7])})
  return {'OK', head.n}
end

-- args: epoch, channel, name, incarnation. Ends a lease at once, by a fence.
local function release(keys, args, head)
  if lease_of(keys, args[3], args[4]) then
    end_lease(keys, args[2], head, args[3], args[4])
  end
  return {'OK', head.n}
end

-- args: epoch, n, writer and counter of what is applied, the most entries, and the bytes after which no further entry
-- is added. Answers OK with n of the last entry and the packed entries that follow what is applied.
local function read(keys, args, head)
  local n = tonumber(args[2])
  local found = compare(keys, head, n, args[3], tonumber(args[4])) -- guard: identity
  if found ~= 'OK' then
    return {found}
  end
  local entries, size = {}, 0
  for i, entry in ipairs(redis.call('XRANGE', keys[2], id_of(n + 1), '+', 'COUNT', args[5])) do
    if i == 1 and entry[1] ~= id_of(n + 1) then
      return {'BEHIND'}
    end
    if size > tonumber(args[6]) then
      break
    end
    entries[i] = entry[2][2]
    size = size + #entries[i]
  end
  if n < head.n and #entries == 0 then
    return {'BEHIND'}
  end
  return {'OK', head.n, entries}
end

local function time_at(keys, n)
  local found = redis.call('XRANGE', keys[2], id_of(n), id_of(n))
  return tonumber(string.match(found[1][2][2], '^%d+ %S+ %d+ (%d+)'))
end

-- args: epoch, ms for which entries are kept, the most entries that one call removes. Removes old entries that every
-- server with a lease has applied, but never the last one that a server has applied. Answers OK with their number.
local function trim(keys, args, head)
  local last = head.n
  local all = redis.call('HGETALL', keys[3])
  for i = 2, #all, 2 do
    last = math.min(last, read_lease(all[i]).applied)
  end
  local first = redis.call('XRANGE', keys[2], '-', '+', 'COUNT', 1)[1]
  if not first then
    return {'OK', 0}
  end
  local low = tonumber(string.match(first[1], '^%d+'))
  local begin, high = low, math.min(last, low + tonumber(args[3]))
  local oldest = clock() - tonumber(args[2]) * 1000
  -- Entries before low are old; those from high on stay. Times never run back.
  while low < high do
    local middle = math.floor((low + high) / 2)
    if time_at(keys, middle) < oldest then
      low = middle + 1
    else
      high = middle
    end
  end
  if low > begin then
    redis.call('XTRIM', keys[2], 'MINID', id_of(low))
  end
  return {'OK', low - begin}
end

-- Gives a function the head of the log too, and answers CUT for it if the log is not that of the epoch in args[1].
local function with_head(callback)
  return function(keys, args)
    local head = read_head(keys, args[1])
    if not head then
      return {'CUT'}
    end
    return callback(keys, args, head)
  end
end

-- When the engine is out of memory, no entry is taken. But servers stay, and old entries go.
redis.register_function{function_name = '@LIBRARY@_create', callback = create}
redis.register_function{function_name = '@LIBRARY@_drop', callback = with_head(drop)}
redis.register_function{function_name = '@LIBRARY@_append', callback = with_head(append)}
redis.register_function{function_name = '@LIBRARY@_hold', callback = with_head(hold), flags = {'allow-oom'}}
redis.register_function{function_name = '@LIBRARY@_release', callback = with_head(release), flags = {'allow-oom'}}
redis.register_function{function_name = '@LIBRARY@_trim', callback = with_head(trim), flags = {'allow-oom'}}
redis.register_function{function_name = '@LIBRARY@_read', callback = with_head(read), flags = {'no-writes'}}
