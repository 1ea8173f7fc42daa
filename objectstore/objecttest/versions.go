package objecttest

import (
	"fmt"
	"slices"
	"time"
)

// KeepVersions turns versioning on. What is there becomes the version "null".
func (m *Memory) KeepVersions() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.versioned = true
	for key, o := range m.objects {
		o.version = "null"
		m.history[key] = []object{o}
		m.objects[key] = o
	}
	if m.answers == nil {
		m.answers = map[string]string{}
	}
	m.answers["versioning"] = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
}

// Delete deletes an object as its owner does: in a versioned bucket by a marker.
func (m *Memory) Delete(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delete(key)
}

// Destroy takes an object away with all its versions.
func (m *Memory) Destroy(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	delete(m.history, key)
	m.sorted = nil
}

func (m *Memory) store(key string, o object) {
	if m.versioned {
		m.nextID++
		o.version = fmt.Sprintf("v%d", m.nextID)
		m.history[key] = slices.Insert(m.history[key], 0, o)
	}
	if _, replaced := m.objects[key]; !replaced {
		m.sorted = nil
	}
	m.objects[key] = o
}

func (m *Memory) delete(key string) {
	delete(m.objects, key)
	m.sorted = nil
	if m.versioned {
		m.nextID++
		marker := object{version: fmt.Sprintf("v%d", m.nextID), marker: true, modified: time.Now()}
		m.history[key] = slices.Insert(m.history[key], 0, marker)
	}
}

// versions returns all versions of a key, the newest first. Without versioning
// there is one, and its name is null.
func (m *Memory) versions(key string) []object {
	if all := m.history[key]; len(all) > 0 {
		return all
	}
	o := m.objects[key]
	o.version = "null"
	return []object{o}
}

// version returns a version of a key, the current one if id is "", or the code of
// an error.
func (m *Memory) version(key, id string) (o object, code string) {
	o, current := m.objects[key]
	switch {
	case id == "" && current, id == "null" && current && !m.versioned:
		return o, ""
	case id == "":
		return o, "NoSuchKey"
	}
	for _, o := range m.history[key] {
		if o.version == id && o.marker {
			return o, "MethodNotAllowed"
		}
		if o.version == id {
			return o, ""
		}
	}
	return o, "NoSuchVersion"
}
