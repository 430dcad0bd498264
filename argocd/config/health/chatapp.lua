-- Healthy is Ready=True for the present generation. Degraded needs a human and has the operator's own words for why.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "waiting for chatapp-operator to take up generation " .. tostring(obj.metadata.generation)}
end
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    local message = condition.reason .. ": " .. (condition.message or "")
    if condition.status == "True" then
      return {status = "Healthy", message = message}
    end
    if status.phase == "Degraded" then
      return {status = "Degraded", message = message}
    end
    if status.phase == "Suspended" then
      return {status = "Suspended", message = message}
    end
    return {status = "Progressing", message = message}
  end
end
return {status = "Progressing", message = "waiting for the first status"}
