package management

// list answers with a list.
func (c *call) list(items []object) error {
	if items == nil {
		items = []object{}
	}
	return c.ok(items)
}
