-- Every key of this database in a line: name, type, moment of expiry in milliseconds (0: never), value.
local function show(text)
    local shown = text:sub(1, 120):gsub('[^\33-\126]', function(c)
        return c == ' ' and c or string.format('\\x%02x', c:byte())
    end)
    if #text > 120 then
        shown = shown .. '... (' .. #text .. ' bytes, sha1 ' .. redis.sha1hex(text) .. ')'
    end
    return shown
end

-- A name is shown whole: two keys are never taken for one another.
local function show_name(text)
    return (text:gsub('[^\33-\126]', function(c) return string.format('\\x%02x', c:byte()) end))
end

local function flat(value)
    if type(value) == 'table' then
        if value.ok then return value.ok end
        local parts = {}
        for i, part in ipairs(value) do parts[i] = flat(part) end
        return '[' .. table.concat(parts, ' ') .. ']'
    end
    if value == false then return 'nil' end
    local text = tostring(value)
    return #text .. ':' .. text
end

-- Two by two where `step` is 2: fields with their values.
local function sorted(list, step)
    local items = {}
    for i = 1, #list, step do
        items[#items + 1] = flat(list[i]) .. (step == 2 and '=' .. flat(list[i + 1]) or '')
    end
    table.sort(items)
    return table.concat(items, ' ')
end

local function named(list, wanted)
    local found = {}
    for i = 1, #list, 2 do
        if wanted[list[i]] then found[#found + 1] = list[i] .. '=' .. flat(list[i + 1]) end
    end
    return table.concat(found, ' ')
end

local function stream(key)
    local text = flat(redis.call('XRANGE', key, '-', '+')) .. ' ' ..
        named(redis.call('XINFO', 'STREAM', key),
            { ['last-generated-id'] = true, ['max-deleted-entry-id'] = true, ['entries-added'] = true })
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
        text = text .. ' ' .. named(group, { name = true, ['last-delivered-id'] = true, pending = true })
        text = text .. ' ' .. flat(redis.call('XPENDING', key, group[2]))
    end
    return text
end

local read = {
    string = function(key) return redis.call('GET', key) end,
    hash = function(key) return sorted(redis.call('HGETALL', key), 2) end,
    set = function(key) return sorted(redis.call('SMEMBERS', key), 1) end,
    list = function(key) return flat(redis.call('LRANGE', key, 0, -1)) end,
    zset = function(key) return flat(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')) end,
    stream = stream,
}

-- Redis 7 says the moment itself; before, it follows from what is left.
local function expiry(key)
    local moment = redis.pcall('PEXPIRETIME', key)
    if type(moment) ~= 'number' then
        local clock, left = redis.call('TIME'), redis.call('PTTL', key)
        moment = left >= 0 and clock[1] * 1000 + math.floor(clock[2] / 1000) + left or 0
    end
    return string.format('%.0f', math.max(moment, 0))
end

local lines, seen, cursor = {}, {}, '0'
repeat
    local page = redis.call('SCAN', cursor, 'COUNT', 1000)
    cursor = page[1]
    for _, key in ipairs(page[2]) do
        if not seen[key] then
            seen[key] = true
            local kind = redis.call('TYPE', key).ok
            if kind ~= 'none' then
                local reader = read[kind] or function() return redis.call('DUMP', key) end
                lines[#lines + 1] = table.concat({ show_name(key), kind, expiry(key), show(reader(key)) }, '\t')
            end
        end
    end
until cursor == '0'
return lines
