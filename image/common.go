package image

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed common.json
var commonJSON []byte

// CommonNamespaces are the metadata definitions that a new cloud begins with:
// what nubo itself understands of properties of images and flavors.
func CommonNamespaces() ([]CommonNamespace, error) {
	var out []CommonNamespace
	if err := json.Unmarshal(commonJSON, &out); err != nil {
		return nil, fmt.Errorf("read the common metadata definitions: %w", err)
	}
	return out, nil
}
