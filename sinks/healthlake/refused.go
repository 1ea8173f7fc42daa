package healthlake

import "encoding/json"

// RefusedResource reads of which resource a line of an import's FAILURE file
// speaks. Not every line tells: then both are "".
func RefusedResource(raw []byte) (resourceType, id string) {
	var it struct{ ResourceType, ResourceID string }
	if json.Unmarshal(raw, &it) != nil || it.ResourceType == "" || it.ResourceID == "" {
		return "", ""
	}
	return it.ResourceType, it.ResourceID
}
