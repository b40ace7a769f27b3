package app

import "nubo/internal/config"

// parts are the components' own configuration.
type parts struct{}

func (p *parts) sections() []config.Section { return nil }

func (p *parts) complete(*settings) error { return nil }
