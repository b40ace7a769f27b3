package volume_test

import (
	"encoding/json"
	"testing"

	"nubo/internal/testx"
	"nubo/sdk/volume"
)

func TestConnectionInfoIsFlatOnTheWire(t *testing.T) {
	t.Parallel()
	for wire, want := range map[string]volume.ConnectionInfo{
		`{"driver_volume_type":"nbd","attachment_id":"a","export":"e","port":10809}`: {Type: "nbd", Data: map[string]any{"export": "e", "port": 10809.0}},
		`{}`: {Data: map[string]any{}},
	} {
		var a volume.Attachment
		testx.NoErr(t, json.Unmarshal([]byte(`{"id":"a","connection_info":`+wire+`}`), &a))
		testx.Equal(t, a.ConnectionInfo, want)
		b, err := json.Marshal(a.ConnectionInfo)
		testx.NoErr(t, err)
		var again volume.ConnectionInfo
		testx.NoErr(t, json.Unmarshal(b, &again))
		testx.Equal(t, again, want)
	}
	var a volume.Attachment
	if err := json.Unmarshal([]byte(`{"connection_info":[]}`), &a); err == nil {
		t.Error("a list was taken for connection info")
	}
	testx.NoErr(t, json.Unmarshal([]byte(`{"connection_info":null}`), &a))
}
