-- A CloudNativePG Cluster. Argo CD's own check calls normal steps (a switchover, applying configuration) Degraded, phases that it
-- does not know Unknown, and fails on a Cluster without status. Here Degraded needs a human.
local status = obj.status or {}
local annotations = obj.metadata.annotations or {}
local needs_a_human = {
  ["Cluster is unrecoverable and needs manual intervention"] = true,
  ["Cluster has incomplete or invalid image catalog"] = true,
  ["Cluster cannot proceed to reconciliation due to an unknown plugin being required"] = true,
  ["Cluster cannot proceed to reconciliation due to an error while interacting with plugins"] = true,
  ["Cluster cannot execute instance online upgrade due to missing architecture binary"] = true,
  ["Unable to create required cluster objects"] = true,
}

local function is_true(name)
  for _, condition in ipairs(status.conditions or {}) do
    if condition.type == name then
      return condition.status == "True"
    end
  end
  return false
end

local phase = status.phase or "waiting for the first status"
local message = phase
if (status.phaseReason or "") ~= "" then
  message = phase .. ": " .. status.phaseReason
end

if annotations["cnpg.io/reconciliationLoop"] == "disabled" then
  return {status = "Suspended", message = "reconciliation is disabled by annotation"}
end
if is_true("cnpg.io/hibernation") then
  return {status = "Suspended", message = "hibernated"}
end
if phase == "Waiting for user action" then
  return {status = "Suspended", message = message}
end
if needs_a_human[phase] then
  return {status = "Degraded", message = message}
end
-- There is no observedGeneration: the phase may be that of the former spec, the number of instances tells.
local ready = status.readyInstances or 0
local wanted = obj.spec.instances or 1
if ready ~= wanted then
  return {status = "Progressing", message = message .. " (" .. tostring(ready) .. " of " .. tostring(wanted) .. " instances are ready)"}
end
if phase == "Cluster in healthy state" and is_true("Ready") then
  return {status = "Healthy", message = message}
end
return {status = "Progressing", message = message}
