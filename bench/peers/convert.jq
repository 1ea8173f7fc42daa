# One row of a FHIR Works export as "<Type>-v<version> TAB <resource>".
def plain:
  if has("S") then .S
  elif has("M") then .M | map_values(plain)
  elif has("L") then .L | map(plain)
  elif has("N") then .N | tonumber
  elif has("BOOL") then .BOOL
  else null end;
.Item
| select(.documentStatus.S != "PENDING")
| .documentStatus.S as $status
| .vid.N as $version
| .id = (._id // .id)
| del(.documentStatus, .lockEndTs, .vid, ._references, ._tenantId, ._id, ._subscriptionStatus)
| map_values(plain)
| .meta.tag += [{display: .meta.lastUpdated, code: "originalLastUpdated"}]
    + (if $status == "DELETED" then [{display: "DELETED", code: "DELETED"}] else [] end)
| "\(.resourceType)-v\($version)\t\(tojson)"
