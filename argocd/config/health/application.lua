-- An Application counts as healthy once it is synced too. Argo CD has no health check for Applications by itself, so that
-- sync waves of an application of applications would not wait for anything.
local status = obj.status or {}
local health = status.health or {}
local sync = status.sync or {}
local operation = status.operationState or {}

if operation.phase == "Failed" or operation.phase == "Error" then
  return {status = "Degraded", message = operation.message or "the last sync failed"}
end
if sync.status ~= "Synced" or operation.phase == "Running" then
  return {status = "Progressing", message = operation.message or "not synced yet"}
end
return {status = health.status or "Progressing", message = health.message or ""}
