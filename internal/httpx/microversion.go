package httpx

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"nubo/internal/fault"
)

// Version is a microversion, "2.79".
type Version struct{ Major, Minor int }

// String gives "2.79".
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// IsZero reports whether no version is set.
func (v Version) IsZero() bool { return v == Version{} }

// Less orders versions.
func (v Version) Less(o Version) bool {
	return v.Major < o.Major || v.Major == o.Major && v.Minor < o.Minor
}

// AtLeast reports whether the request asked for major.minor or newer.
func (v Version) AtLeast(major, minor int) bool { return !v.Less(Version{major, minor}) }

// Microversions is a service's range, and the headers that choose in it.
type Microversions struct {
	// Service is the token in the header: "compute" in
	// "OpenStack-API-Version: compute 2.79".
	Service string
	// Legacy is an older header that holds the bare version, "" for none.
	Legacy   string
	Min, Max Version
}

// VersionOf gives the version the request was negotiated to.
func VersionOf(ctx context.Context) Version { return requestOf(ctx).version }

// negotiate chooses the request's version and answers it in the headers.
func (m *Microversions) negotiate(w http.ResponseWriter, r *http.Request) (Version, error) {
	w.Header().Add("Vary", "OpenStack-API-Version")
	if m.Legacy != "" {
		w.Header().Add("Vary", m.Legacy)
	}
	v, err := m.requested(r)
	if err != nil {
		return Version{}, err
	}
	if m.Legacy != "" {
		w.Header().Set(m.Legacy, v.String())
	}
	w.Header().Set("OpenStack-API-Version", m.Service+" "+v.String())
	return v, nil
}

func (m *Microversions) requested(r *http.Request) (Version, error) {
	asked := ""
	for _, h := range r.Header.Values("OpenStack-API-Version") {
		for _, one := range strings.Split(h, ",") {
			if service, version, ok := strings.Cut(strings.TrimSpace(one), " "); ok && strings.EqualFold(service, m.Service) {
				asked = strings.TrimSpace(version)
			}
		}
	}
	if asked == "" && m.Legacy != "" {
		asked = strings.TrimSpace(r.Header.Get(m.Legacy))
	}
	switch asked {
	case "":
		return m.Min, nil
	case "latest":
		return m.Max, nil
	}
	v, ok := parseVersion(asked)
	if !ok {
		return Version{}, fault.Invalidf("API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", asked)
	}
	if v.Less(m.Min) || m.Max.Less(v) {
		return Version{}, fault.New(fault.NotAcceptable,
			"Version %s is not supported by the API. Minimum is %s and maximum is %s.", v, m.Min, m.Max).WithCause(&unsupported{v, m.Min, m.Max})
	}
	return v, nil
}

// unsupported is a version that the service does not have, with those between
// which it has all.
type unsupported struct{ asked, min, max Version }

// Error names the version in Placement's words.
func (u *unsupported) Error() string { return "Unacceptable version header: " + u.asked.String() }

func parseVersion(s string) (Version, bool) {
	major, minor, ok := strings.Cut(s, ".")
	if !ok || !isNumber(major) || !isNumber(minor) {
		return Version{}, false
	}
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return Version{a, b}, err1 == nil && err2 == nil
}

// isNumber accepts what microversions allow: digits without a leading zero.
func isNumber(s string) bool {
	if s == "" || len(s) > 4 || len(s) > 1 && s[0] == '0' {
		return false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
