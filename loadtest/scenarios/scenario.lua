-- What all scenarios share: which requests are sent, and what is counted of their answers.
--
-- wrk runs a script once in each of its threads, and once more for setup() and done(). What a thread counts
-- lies in its global `counts`; done() adds the threads up and prints all figures as one line of JSON.

local TEXTS = "../texts/sentences.txt"
local MARK = "loadtest-figures "
local REQUEST_ID = "X-Request-ID"
local KEY = os.getenv("LOADTEST_API_KEY") or ""

local function read_texts()
  local texts = {}
  for line in io.lines(TEXTS) do
    if line ~= "" and line:sub(1, 1) ~= "#" then
      texts[#texts + 1] = line
    end
  end
  assert(#texts > 1, TEXTS .. " holds fewer than two texts")
  return texts
end

-- The texts are UTF-8 already; only these characters must not stand in a JSON string as they are.
local function json_string(text)
  local escaped = text:gsub('[%c"\\]', function(character)
    return string.format("\\u%04x", character:byte())
  end)
  return '"' .. escaped .. '"'
end

local function json_counts(numbers)
  local items = {}
  for name, number in pairs(numbers) do
    items[#items + 1] = string.format("%s:%d", json_string(name), number)
  end
  return "{" .. table.concat(items, ",") .. "}"
end

-- One pair of value (microseconds) and count for each latency that occurred.
local function json_latency(latency)
  local items = {}
  for index = 1, #latency do
    local value, count = latency(index)
    items[index] = string.format("[%d,%d]", value, count)
  end
  return "[" .. table.concat(items, ",") .. "]"
end

local BODIES = {
  embedding = function(texts)
    return json_string(texts[math.random(#texts)])
  end,
  similarity = function(texts)
    return "[" .. json_string(texts[math.random(#texts)]) .. "," .. json_string(texts[math.random(#texts)]) .. "]"
  end,
}

-- Defines the functions that wrk calls. `shares` says how many requests of each task are sent in turn.
return function(shares)
  local texts = read_texts()
  local turns = {}
  for task, share in pairs(shares) do
    for _ = 1, share do
      turns[#turns + 1] = task
    end
  end
  table.sort(turns)
  local threads = {}
  local sent = 0
  counts = {}

  function setup(thread)
    thread:set("thread_number", #threads + 1)
    threads[#threads + 1] = thread
  end

  function init()
    -- The same requests in every run, others in each thread.
    math.randomseed(thread_number)
  end

  function request()
    local task = turns[math.random(#turns)]
    sent = sent + 1
    -- The service sends the id back, with errors too: so each answer is known to be of this task.
    local headers = { ["Content-Type"] = "application/json", [REQUEST_ID] = task .. "." .. thread_number .. "." .. sent }
    if KEY ~= "" then
      headers["Authorization"] = "Bearer " .. KEY
    end
    local body = '{"task_type":"' .. task .. '","input_text":' .. BODIES[task](texts) .. "}"
    return wrk.format("POST", nil, headers, body)
  end

  function response(status, headers, body)
    local task = (headers[REQUEST_ID] or ""):match("^%a+") or "untold"
    local outcome = tostring(status)
    if status == 200 and not body:find('"result"', 1, true) then
      outcome = "200 without a result"
    end
    local name = task .. " " .. outcome
    counts[name] = (counts[name] or 0) + 1
  end

  function done(summary, latency)
    local sum = {}
    for _, thread in ipairs(threads) do
      for name, number in pairs(thread:get("counts")) do
        sum[name] = (sum[name] or 0) + number
      end
    end
    print(MARK .. string.format(
      '{"duration_us":%d,"requests":%d,"bytes":%d,"counts":%s,"errors":%s,"latency_us":%s}',
      summary.duration, summary.requests, summary.bytes,
      json_counts(sum), json_counts(summary.errors), json_latency(latency)
    ))
  end
end
