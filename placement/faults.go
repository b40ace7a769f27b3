package placement

import (
	"fmt"
	"strings"

	"nubo/internal/fault"
)

// The codes of errors, Placement's own.
const (
	codeConcurrentUpdate   = "placement.concurrent_update"
	codeInventoryInUse     = "placement.inventory.inuse"
	codeDuplicateName      = "placement.duplicate_name"
	codeProviderNotFound   = "placement.resource_provider.not_found"
	codeProviderInUse      = "placement.resource_provider.inuse"
	codeCannotDeleteParent = "placement.resource_provider.cannot_delete_parent"
	codeBadValue           = "placement.query.bad_value"
	codeMissingValue       = "placement.query.missing_value"
)

// ProviderNotFound is the answer where there is no such provider.
func ProviderNotFound(uuid string) *fault.Error {
	return fault.NotFoundf("No resource provider with uuid %s found", uuid)
}

// GenerationConflict is the answer to a writer that has read an older
// generation of a provider than there is.
func GenerationConflict() *fault.Error {
	return fault.Conflictf("resource provider generation conflict").WithType(codeConcurrentUpdate)
}

func conflict(code, format string, args ...any) *fault.Error {
	return fault.Conflictf(format, args...).WithType(code)
}

// inUse words an inventory that somebody has a part of.
func inUse(provider string, classes []string) string {
	return fmt.Sprintf("Inventory for '%s' on resource provider '%s' in use.", strings.Join(classes, ", "), provider)
}
