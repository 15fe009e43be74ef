-- What all scenarios share: which requests are sent, and what is counted of their answers.
--
-- wrk runs a script once in each of its threads, and once more for setup() and done(). What a thread counts
-- lies in its global `counts`; done() adds the threads up and prints all figures as one line of JSON.

local function setting(name, default)
  local value = os.getenv("LOADTEST_" .. name) or ""
  return value ~= "" and value or default
end

local TEXTS = setting("TEXTS", "../texts/sentences.txt")
-- Over 0: so many requests are sent, with each text in turn, and the run ends with the last answer.
local REQUESTS = tonumber(setting("REQUESTS", "0"))
local MARK = "loadtest-figures "
local REQUEST_ID = "X-Request-ID"
local KEY = setting("API_KEY", "")

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

-- The JSON of each task's `input_text`; `text` gives the next text as JSON.
local INPUTS = {
  embedding = function(text)
    return text()
  end,
  similarity = function(text)
    return "[" .. text() .. "," .. text() .. "]"
  end,
}

-- The form of a request's body, and what every right answer holds.
local PREDICT = {
  body = function(task, input)
    return '{"task_type":"' .. task .. '","input_text":' .. input .. "}"
  end,
  result = '"result"',
}

-- wrk's main thread sleeps until the time is up, whatever its threads do; SIGINT wakes it, as Ctrl-C does.
local function stop()
  local ffi = require("ffi")
  ffi.cdef("int getpid(void); int kill(int, int);")
  wrk.thread:stop()
  ffi.C.kill(ffi.C.getpid(), 2)
end

-- Defines the functions that wrk calls. `shares` says how many requests of each task are sent in the mean; `form` is
-- that of their bodies, PREDICT by default.
return function(shares, form)
  form = form or PREDICT
  local texts = read_texts()
  local tasks = {}
  for task, share in pairs(shares) do
    for _ = 1, share do
      tasks[#tasks + 1] = task
    end
  end
  table.sort(tasks)
  local threads = {}
  local sent, taken, received, allowed = 0, 0, 0, 0
  counts = {}

  local function text()
    taken = taken + 1
    return json_string(texts[REQUESTS > 0 and (taken - 1) % #texts + 1 or math.random(#texts)])
  end

  function setup(thread)
    thread:set("thread_number", #threads + 1)
    threads[#threads + 1] = thread
  end

  function init()
    -- The same requests in every run, others in each thread.
    math.randomseed(thread_number)
  end

  if REQUESTS > 0 then
    -- Milliseconds until a connection sends its next request: for ever where all are on their way.
    function delay()
      allowed = allowed + 1
      return allowed > REQUESTS and 1e9 or 0
    end
  end

  function request()
    local task = tasks[math.random(#tasks)]
    sent = sent + 1
    -- The service sends the id back, with errors too: so each answer is known to be of this task.
    local headers = { ["Content-Type"] = "application/json", [REQUEST_ID] = task .. "." .. thread_number .. "." .. sent }
    if KEY ~= "" then
      headers["Authorization"] = "Bearer " .. KEY
    end
    return wrk.format("POST", nil, headers, form.body(task, INPUTS[task](text)))
  end

  function response(status, headers, body)
    local task = (headers[REQUEST_ID] or ""):match("^%a+") or "untold"
    local outcome = tostring(status)
    if status == 200 and not body:find(form.result, 1, true) then
      outcome = "200 without a result"
    end
    local name = task .. " " .. outcome
    counts[name] = (counts[name] or 0) + 1
    received = received + 1
    if received == REQUESTS then
      stop()
    end
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
