-- Health of a ModelRevision, which Argo CD shows below its ModelDeployment. It is history, and counts for no
-- Application.
local health = {
  Pending = "Progressing",
  Evaluating = "Suspended",
  Shadow = "Progressing",
  Canary = "Progressing",
  Soaking = "Progressing",
  Live = "Healthy",
  Superseded = "Healthy",
  RolledBack = "Degraded",
  Rejected = "Degraded",
  Archived = "Healthy",
}
local hs = {status = "Progressing", message = "The operator has not looked at it yet"}
local status = obj.status
if status == nil or status.state == nil then
  return hs
end
hs.status = health[status.state] or "Unknown"
hs.message = "version " .. obj.spec.model.version .. ": " .. status.state
if status.ended ~= nil then
  hs.message = hs.message .. ", " .. status.ended
end
return hs
