-- Asks Latchkey about each request, for HAProxy from 2.6 on. haproxy.cfg shows how it is used.
--
-- HAProxy has no subrequests of its own. Here it sends one with what says who asks and how, never the body. If Latchkey
-- answers 200, the request gets the headers that name the user, and the variable txn.latchkey_admits. A refusal is passed
-- back. In every other case, an error in this file included, HAProxy goes on with its rules: so the next one has to refuse
-- what does not have the variable.

-- What is passed on to Latchkey.
local ASKED_WITH = { 'authorization', 'cookie', 'accept', 'sec-fetch-mode' }

-- What is passed on to the dashboard. One that Latchkey does not send is removed: a client's never stays.
local TOLD = {
  'X-Latchkey-User', 'X-Latchkey-Email', 'X-Latchkey-Session', 'X-Latchkey-Role', 'X-Latchkey-Auth-Time', 'X-Latchkey-Acr',
  'X-Latchkey-Assertion',
}

-- What is passed back to the client of a refused request.
local REFUSED_WITH = { 'content-type', 'www-authenticate', 'location', 'retry-after', 'cache-control' }

local REFUSALS = { [302] = true, [400] = true, [401] = true, [403] = true }

-- For each of the four times that HAProxy tries.
local TIMEOUT_MS = 2000

-- The values of a header as a list. HAProxy counts them from zero, Lua from one.
local function values(headers, name)
  local list = {}
  for i = 0, #(headers[name] or {}) do
    local value = headers[name] and headers[name][i]
    if value then list[#list + 1] = value end
  end
  return list
end

local function ask(txn, url)
  local request = txn.http:req_get_headers()
  local headers = {
    ['x-forwarded-for'] = { txn.sf:src() },
    ['x-forwarded-host'] = values(request, 'host'),
    ['x-forwarded-method'] = { txn.sf:method() },
    ['x-forwarded-proto'] = { txn.f:ssl_fc() == 1 and 'https' or 'http' },
    ['x-forwarded-uri'] = { txn.sf:pathq() },
  }
  for _, name in ipairs(ASKED_WITH) do headers[name] = values(request, name) end
  return core.httpclient():get{ url = url, headers = headers, timeout = TIMEOUT_MS }
end

-- HAProxy answers 503 itself where it reaches nobody: with Retry-After it is Latchkey's.
local function isRefusal(answer)
  return REFUSALS[answer.status] or (answer.status == 503 and answer.headers['retry-after'])
end

local function refuse(txn, answer)
  local reply = txn:reply{ status = answer.status, body = answer.body or '' }
  for _, name in ipairs(REFUSED_WITH) do
    for _, value in ipairs(values(answer.headers, name)) do reply:add_header(name, value) end
  end
  txn:done(reply)
end

local function admit(txn, answer)
  for _, name in ipairs(TOLD) do
    local value = values(answer.headers, name:lower())[1]
    if value then
      txn.http:req_set_header(name, value)
    else
      txn.http:req_del_header(name)
    end
  end
  txn:set_var('txn.latchkey_admits', true)
end

core.register_action('latchkey', { 'http-req' }, function(txn, url)
  local answer = ask(txn, url)
  if answer.status == 200 then
    admit(txn, answer)
  elseif isRefusal(answer) then
    refuse(txn, answer)
  end
end, 1)
