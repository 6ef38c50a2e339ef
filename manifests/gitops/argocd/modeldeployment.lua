-- Health of a ModelDeployment. Degraded: what Git names is not live and will not be without a change. Suspended: it
-- waits for a person. Argo CD gives `obj` and no library but the base one.
local hs = {status = "Progressing", message = "The operator has not looked at it yet"}
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return hs
end
local is = {}
for _, condition in ipairs(status.conditions) do
  is[condition.type] = condition.status == "True"
  if condition.type == "Ready" then
    hs.message = condition.reason .. ": " .. condition.message
  end
end
if is.RolledBack then
  hs.status = "Degraded"
elseif is.Paused or is.AwaitingReview then
  hs.status = "Suspended"
elseif is.Stalled then
  hs.status = "Degraded"
elseif is.Ready then
  hs.status = "Healthy"
end
return hs
