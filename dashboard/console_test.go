package dashboard

import (
	"testing"

	"nubo/internal/testx"
)

func TestSocketAddress(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"http://cloud:6080/vnc_auto.html?path=%3Ftoken%3Dt":                   "ws://cloud:6080/?token=t",
		"https://cloud/novnc/vnc_lite.html?path=websockify%3Ftoken%3Dt":       "wss://cloud/websockify?token=t",
		"ws://cloud:6083/?token=t":                                            "ws://cloud:6083/?token=t",
		"http://cloud:6080/vnc_auto.html?path=http%3A%2F%2Fevil%2F%3Ftoken=t": "ws://cloud:6080/?token=t",
	} {
		got, err := socketAddress(given)
		testx.NoErr(t, err)
		testx.Equal(t, got, want)
	}
	for _, bad := range []string{"http://%", "http://cloud/?path=%25"} {
		if got, err := socketAddress(bad); err == nil {
			t.Errorf("%s: took it for %s", bad, got)
		}
	}
}
