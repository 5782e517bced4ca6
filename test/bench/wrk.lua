-- Each request with the next of the given headers, after so many that were sent before: callers differ as they do in life.
local requests = {}
local last

function init(args)
  for line in io.lines(args[1]) do
    local name, value = line:match("^(%S+): (.*)$")
    requests[#requests + 1] = wrk.format(nil, wrk.path, { [name] = value, Host = wrk.host })
  end
  last = tonumber(args[2]) % #requests
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"failures":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  ))
end
