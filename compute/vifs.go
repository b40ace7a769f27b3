package compute

import "slices"

// OwnsPort reports whether a port was made for the server and goes with it;
// any other is the user's, and outlives it.
func (s *Server) OwnsPort(id string) bool {
	return !slices.ContainsFunc(s.Networks, func(n RequestedNetwork) bool { return n.PortID == id }) &&
		!slices.ContainsFunc(s.VIFs, func(v VIF) bool { return v.PortID == id && v.Preserve })
}
