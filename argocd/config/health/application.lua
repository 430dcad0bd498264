-- An Application counts as healthy once it is synced too. Argo CD has no health check for Applications by itself, so that
-- sync waves of an application of applications would not wait for anything.
local status = obj.status or {}
local health = status.health or {}
local sync = status.sync or {}
local operation = status.operationState or {}

-- What was compared last; a status about another place in Git says nothing about this one.
local function is_about(source)
  local wanted = obj.spec.source or {}
  return source.repoURL == wanted.repoURL and source.path == wanted.path and source.targetRevision == wanted.targetRevision
end

if operation.phase == "Failed" or operation.phase == "Error" then
  return {status = "Degraded", message = operation.message or "the last sync failed"}
end
-- It is retried without end, each time from the newest commit. A webhook that is just starting costs one or two attempts.
if operation.phase == "Running" and (operation.retryCount or 0) > 2 then
  return {status = "Degraded", message = operation.message or "sync fails again and again"}
end
if sync.status ~= "Synced" or operation.phase == "Running" then
  return {status = "Progressing", message = operation.message or "not synced yet"}
end
if not is_about((sync.comparedTo or {}).source or {}) then
  return {status = "Progressing", message = "its source has changed and is not compared yet"}
end
return {status = health.status or "Progressing", message = health.message or ""}
