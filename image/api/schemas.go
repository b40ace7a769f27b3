package api

import (
	"embed"
	"encoding/json"
	"net/http"

	"nubo/image"
	"nubo/internal/httpx"
)

//go:embed schemas/*.json
var schemaFiles embed.FS

// schemas check the bodies of requests.
var schemas = httpx.MustLoadSchemas(schemaFiles, "schemas")

// served are the schemas that clients can ask for, by their path. Those of
// bodies are the ones that bodies are checked by.
var served = func() map[string]any {
	out := map[string]any{
		"image": imageSchema(), "images": collection("images", imageSchema()),
		"member": memberSchema(), "members": collection("members", memberSchema()),
		"task": taskSchema(), "tasks": collection("tasks", taskSchema()),
	}
	for name, plural := range map[string]string{
		"namespace": "namespaces", "object": "objects", "property": "properties", "tag": "tags", "resource_type": "resource_types",
	} {
		one := bodySchema(name)
		out["metadefs/"+name] = one
		list := plural
		if name == "resource_type" {
			list = "resource_type_associations"
		}
		out["metadefs/"+plural] = collection(list, one)
	}
	out["metadefs/properties"] = object{
		"name": "properties", "properties": object{"properties": object{"type": "object", "additionalProperties": out["metadefs/property"]}},
	}
	return out
}()

// bodySchema is one of the embedded schemas under its name.
func bodySchema(name string) object {
	text, err := schemaFiles.ReadFile("schemas/" + name + ".json")
	if err != nil {
		panic(err) // it is embedded
	}
	out := object{}
	if err := json.Unmarshal(text, &out); err != nil {
		panic(err) // it was loaded before
	}
	out["name"] = name
	return out
}

func (h *handler) schemaOf(name string) httpx.Handler {
	return func(w http.ResponseWriter, _ *http.Request) error { return httpx.JSON(w, http.StatusOK, served[name]) }
}

// imageSchema says what attributes an image has.
func imageSchema() object {
	text := func(description string, more ...any) object {
		o := object{"type": []string{"null", "string"}, "description": description}
		for n := 0; n+1 < len(more); n += 2 {
			o[more[n].(string)] = more[n+1]
		}
		return o
	}
	own := func(kind any, description string) object {
		return object{"type": kind, "readOnly": true, "description": description}
	}
	props := object{
		"id": object{"type": "string", "description": "An identifier for the image",
			"pattern": "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"},
		"name": text("Descriptive name", "maxLength", maxName), "owner": text("Project that owns it", "maxLength", maxName),
		"status":           own("string", "What can be done with it"),
		"visibility":       object{"type": "string", "enum": visibilities, "description": "Who can see it"},
		"disk_format":      text("What its bytes are", "enum", image.DiskFormats),
		"container_format": text("What is around its bytes", "enum", image.ContainerFormats),
		"min_disk":         object{"type": "integer", "description": "GiB of disk that a server of it needs"},
		"min_ram":          object{"type": "integer", "description": "MiB of memory that a server of it needs"},
		"protected":        object{"type": "boolean", "description": "It cannot be deleted"},
		"os_hidden":        object{"type": "boolean", "description": "It is left out of lists"},
		"tags":             object{"type": "array", "items": object{"type": "string", "maxLength": maxName}, "description": "Words it can be found by"},
		"checksum":         own([]string{"null", "string"}, "MD5 of its bytes"),
		"os_hash_algo":     own([]string{"null", "string"}, "How os_hash_value was made"),
		"os_hash_value":    own([]string{"null", "string"}, "Hash of its bytes"),
		"size":             own([]string{"null", "integer"}, "How many bytes it has"),
		"virtual_size":     own([]string{"null", "integer"}, "How many bytes a server sees"),
		"created_at":       own("string", "When it was made"), "updated_at": own("string", "When it was changed"),
		"self": own("string", "Where it is described"), "file": own("string", "Where its bytes are"), "schema": own("string", "Where this is"),
		"stores": own("string", "Stores that have its bytes"),
	}
	return object{
		"name": "image", "properties": props, "additionalProperties": object{"type": "string"},
		"links": []object{{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, {"rel": "describedby", "href": "{schema}"}},
	}
}

// collection is the schema of a list.
func collection(name string, item object) object {
	return object{
		"name": name, "properties": object{
			name: object{"type": "array", "items": item}, "first": object{"type": "string"}, "next": object{"type": "string"}, "schema": object{"type": "string"},
		},
		"links": []object{{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, {"rel": "describedby", "href": "{schema}"}},
	}
}

func memberSchema() object {
	return object{"name": "member", "properties": object{
		"image_id": object{"type": "string"}, "member_id": object{"type": "string"}, "created_at": object{"type": "string"},
		"updated_at": object{"type": "string"}, "status": object{"type": "string", "enum": memberStatuses}, "schema": object{"type": "string"},
	}}
}

func taskSchema() object {
	nullText := object{"type": []string{"null", "string"}}
	return object{"name": "task", "properties": object{
		"id": object{"type": "string"}, "type": object{"type": "string", "enum": []string{image.TaskImport, image.TaskAPIImageImport, image.TaskLocationImport}},
		"status": object{"type": "string", "enum": []string{image.TaskPending, image.TaskProcessing, image.TaskSuccess, image.TaskFailure}},
		"input":  object{"type": []string{"null", "object"}}, "result": object{"type": []string{"null", "object"}}, "message": nullText,
		"owner": nullText, "image_id": nullText, "user_id": nullText, "request_id": nullText, "expires_at": nullText,
		"created_at": object{"type": "string"}, "updated_at": object{"type": "string"}, "self": object{"type": "string"}, "schema": object{"type": "string"},
	}}
}
