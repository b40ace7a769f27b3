package rpc

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"nubo/internal/auth"
	"nubo/internal/testx"
)

func TestAppendString(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "plain", `quote " and \ backslash`, "\n\r\t\b\f\x00\x1f\x7f", "żółw 日本 😀", "\u2028<&>", "bad \xff\xc3 utf8", "\xe2\x80",
	} {
		got := appendString(nil, s)
		std, err := json.Marshal(s)
		testx.NoErr(t, err)
		var back, want string
		testx.NoErr(t, json.Unmarshal(got, &back))
		testx.NoErr(t, json.Unmarshal(std, &want))
		testx.Equal(t, back, want)
		testx.Equal(t, string(appendString(nil, []byte(s))), string(got))
		plain, err := unquote(got)
		testx.NoErr(t, err)
		testx.Equal(t, string(plain), back)
	}
}

func TestUnquoteRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{``, `"`, `x`, `"\"`, `"\u12"`, `"\u12g4"`, `"\x"`} {
		if got, err := unquote([]byte(s)); err == nil {
			t.Errorf("unquote(%s) = %q; want an error", s, got)
		}
	}
}

func TestWalkObjectRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		``, `[]`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":}`, `{a:1}`, `{"a":[1}`, `{"a":"x}`, `{} x`, `{,}`,
	} {
		if err := walkObject([]byte(s), func(_, _ []byte) error { return nil }); err == nil {
			t.Errorf("walkObject(%s): want an error", s)
		}
	}
}

// FuzzWalkObject holds the walker to encoding/json wherever that accepts.
func FuzzWalkObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"b":[{"c":"]"}],"d":"\u0041\\\""}`, ` { "x" : null } `, `{"a":{"b":{}}}`, `{"\ud83d\ude00":1}`, `[1]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := map[string]string{}
		err := walkObject(data, func(key, value []byte) error {
			got[strings.ToValidUTF8(string(key), "\ufffd")] = string(value)
			return nil
		})
		var want map[string]json.RawMessage
		if !json.Valid(data) || json.Unmarshal(data, &want) != nil || want == nil {
			return // what else is accepted is refused when a value is decoded
		}
		testx.NoErr(t, err)
		for k, v := range want {
			if strings.ContainsRune(k, '\ufffd') {
				return // keys that are not UTF-8 may fall together
			}
			testx.Equal(t, got[k], string(v))
		}
		testx.Equal(t, len(got), len(want))
	})
}

// FuzzDecode gives the decoders what a broken or hostile peer may send.
func FuzzDecode(f *testing.F) {
	r := &request{method: "m", version: "1.0", msgID: "1", replyQ: "q", uniqueID: "2"}
	body, err := encodeRequest(r, map[string]int{"a": 1}, &auth.Context{UserID: "u", Roles: []string{"r"}, ExpiresAt: time.Unix(1, 0)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"oslo.version":"2.0","oslo.message":"{\"_msg_id\":\"1\",\"failure\":\"{}\",\"ending\":true}"}`))
	f.Add([]byte(`{"event_type":"e","payload":{},"timestamp":"2026-01-02 03:04:05"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := decodeRequest(body); err == nil && r.method == "" {
			t.Error("a request without a method")
		}
		if in, err := decodeReply(body); err == nil && in.failure != nil {
			if decodeFailure(in.failure) == nil {
				t.Error("a failure that is no error")
			}
		}
		if n, _, _, err := decodeNotification(body); err == nil && n.EventType == "" {
			t.Error("a notification without an event type")
		}
	})
}
