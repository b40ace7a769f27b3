package amqp_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"nubo/amqp"
	"nubo/internal/testx"
)

// everything has a value of every type a table can hold.
func everything() amqp.Table {
	return amqp.Table{
		"t": true, "b": int8(-1), "B": uint8(200), "s": int16(-300), "u": uint16(60000), "I": int32(-70000), "i": uint32(math.MaxUint32),
		"l": int64(math.MinInt64), "L": uint64(math.MaxUint64), "f": float32(1.5), "d": math.Pi, "D": amqp.Decimal{Scale: 2, Value: 314},
		"S": "text", "x": []byte{0, 1, 2}, "A": []any{"a", int32(1), []any{}, amqp.Table{}}, "T": time.Unix(1700000000, 0).UTC(),
		"F": amqp.Table{"in": amqp.Table{"deep": nil}}, "V": nil, "": "empty key",
	}
}

func TestTableRoundTrip(t *testing.T) {
	t.Parallel()
	raw := everything().Append(nil)
	got, rest, err := amqp.ParseTable(append(raw, "rest"...))
	testx.NoErr(t, err)
	testx.Equal(t, got, everything())
	testx.Equal(t, string(rest), "rest")
	testx.NoErr(t, amqp.CheckTable(raw[4:]))
}

// TestTableTypes holds the octet each Go type is written as.
func TestTableTypes(t *testing.T) {
	t.Parallel()
	for typ, v := range everything() {
		if typ == "" {
			continue
		}
		raw := amqp.Table{"k": v}.Append(nil)
		testx.Equal(t, string(raw[6]), typ)
		if typ != "L" { // RabbitMQ has no name for it but long
			testx.Equal(t, amqp.TypeName(v) != "long" || typ == "l", true)
		}
	}
}

func TestTableMalformed(t *testing.T) {
	t.Parallel()
	deep := amqp.Table{}
	for range 200 {
		deep = amqp.Table{"a": []any{deep}}
	}
	raw := everything().Append(nil)
	tests := map[string][]byte{
		"too deep":      deep.Append(nil)[4:],
		"unknown type":  []byte("\x01k?"),
		"key only":      []byte("\x01k"),
		"key too long":  []byte("\xffk"),
		"string length": []byte("\x01kS\xff\xff\xff\xff"),
		"array length":  []byte("\x01kA\x00\x00\x00\x09"),
	}
	for n := 5; n < len(raw); n++ { // a cut in the first entry or later; some cuts fall between entries
		if amqp.CheckTable(raw[4:n]) != nil {
			tests[fmt.Sprintf("cut at %d", n)] = raw[4:n]
		}
	}
	if len(tests) < 50 {
		t.Fatalf("only %d cases", len(tests))
	}
	for name, in := range tests {
		if amqp.CheckTable(in) == nil {
			t.Errorf("%s: CheckTable took it", name)
		}
		full := append([]byte{0, 0, byte(len(in) >> 8), byte(len(in))}, in...)
		if tab, _, err := amqp.ParseTable(full); err == nil {
			t.Errorf("%s: parsed as %v", name, tab)
		}
	}
	if _, _, err := amqp.ParseTable([]byte{0, 0, 0}); err == nil {
		t.Error("a table without a whole length was parsed")
	}
}

// allMethods returns one of each method, its fields filled with something.
func allMethods(t testing.TB) []amqp.Method {
	t.Helper()
	var list []amqp.Method
	for _, class := range []amqp.MethodID{10, 20, 40, 50, 60, 85, 90} {
		for method := range amqp.MethodID(150) {
			m := (class<<16 | method).New()
			if m == nil {
				continue
			}
			v := reflect.ValueOf(m).Elem()
			for i := range v.NumField() {
				switch f := v.Field(i); f.Kind() {
				case reflect.String:
					f.SetString("field " + v.Type().Field(i).Name)
				case reflect.Bool:
					f.SetBool(i%2 == 0)
				case reflect.Map:
					f.Set(reflect.ValueOf(everything()))
				default:
					f.SetUint(uint64(i + 1))
				}
			}
			list = append(list, m)
		}
	}
	return list
}

func TestMethodsRoundTrip(t *testing.T) {
	t.Parallel()
	list := allMethods(t)
	if len(list) != 64 {
		t.Errorf("there are %d methods; want 64", len(list))
	}
	for _, m := range list {
		raw := m.Append(nil)
		got, err := amqp.ParseMethod(raw)
		if err != nil {
			t.Errorf("%s: %v", m.ID(), err)
			continue
		}
		testx.Equal(t, got, m)
		if strings.Contains(m.ID().String(), "unknown") {
			t.Errorf("%T has no name", m)
		}
		if len(raw) > 4 {
			if _, err := amqp.ParseMethod(raw[:len(raw)-1]); err == nil || err.Code != amqp.FrameError {
				t.Errorf("%s cut short: got %v; want a frame error", m.ID(), err)
			}
		}
	}
}

// TestWire compares with bytes written down by hand from the specification.
func TestWire(t *testing.T) {
	t.Parallel()
	tests := []struct {
		m    amqp.Method
		want string
	}{
		{&amqp.QueueDeclare{Queue: "q", Durable: true, AutoDelete: true, Arguments: amqp.Table{"n": int32(1)}},
			"\x00\x32\x00\x0a\x00\x00\x01q\x0a\x00\x00\x00\x07\x01nI\x00\x00\x00\x01"},
		{&amqp.BasicPublish{Exchange: "x", RoutingKey: "k", Mandatory: true}, "\x00\x3c\x00\x28\x00\x00\x01x\x01k\x01"},
		{&amqp.ConnectionTune{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 60}, "\x00\x0a\x00\x1e\x07\xff\x00\x02\x00\x00\x00\x3c"},
		{&amqp.BasicNack{DeliveryTag: 1, Multiple: true, Requeue: true}, "\x00\x3c\x00\x78\x00\x00\x00\x00\x00\x00\x00\x01\x03"},
		{&amqp.ChannelOpenOk{}, "\x00\x14\x00\x0b\x00\x00\x00\x00"},
		{&amqp.ConnectionOpen{VirtualHost: "/"}, "\x00\x0a\x00\x28\x01/\x00\x00"},
	}
	for _, tc := range tests {
		testx.Equal(t, string(tc.m.Append(nil)), tc.want)
	}
	testx.Equal(t, string(amqp.AppendMethodFrame([]byte("before"), 7, &amqp.TxSelect{})), "before\x01\x00\x07\x00\x00\x00\x04\x00\x5a\x00\x0a\xce")
	testx.Equal(t, amqp.AppendDeliver(nil, 3, "tag", 9, true, "x", "k"),
		amqp.AppendMethodFrame(nil, 3, &amqp.BasicDeliver{ConsumerTag: "tag", DeliveryTag: 9, Redelivered: true, Exchange: "x", RoutingKey: "k"}))
	testx.Equal(t, amqp.AppendAck(nil, 3, 9, true), amqp.AppendMethodFrame(nil, 3, &amqp.BasicAck{DeliveryTag: 9, Multiple: true}))
}

func TestPublishView(t *testing.T) {
	t.Parallel()
	m := amqp.BasicPublish{Exchange: "x", RoutingKey: "some.key", Mandatory: true, Immediate: true}
	var v amqp.PublishView
	testx.NoErr(t, v.Decode(m.Append(nil)[4:]))
	testx.Equal(t, v, amqp.PublishView{Exchange: []byte("x"), RoutingKey: []byte("some.key"), Mandatory: true, Immediate: true})
}

func properties() amqp.Properties {
	return amqp.Properties{
		ContentType: "application/json", ContentEncoding: "utf-8", Headers: everything(), DeliveryMode: 2, Priority: 3,
		CorrelationID: "c", ReplyTo: "r", Expiration: "60000", MessageID: "m", Timestamp: time.Unix(1700000000, 0).UTC(),
		Type: "t", UserID: "u", AppID: "a", ClusterID: "cl",
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	for _, p := range []amqp.Properties{{}, properties(), {Headers: amqp.Table{}}, {ReplyTo: "r"}} {
		raw := p.Append(nil)
		var got amqp.Properties
		testx.NoErr(t, got.Decode(raw))
		testx.Equal(t, got, p)
		var v amqp.PropertiesView
		testx.NoErr(t, v.Decode(raw))
		testx.Equal(t, []any{v.DeliveryMode, v.Priority, string(v.ReplyTo), string(v.Expiration), string(v.UserID), len(amqp.HeaderTable(v.Headers))},
			[]any{p.DeliveryMode, p.Priority, p.ReplyTo, p.Expiration, p.UserID, len(p.Headers)})
		for n := range len(raw) {
			if v.Decode(raw[:n]) == nil || got.Decode(raw[:n]) == nil {
				t.Errorf("properties cut at %d of %d were taken", n, len(raw))
			}
		}
	}
	var v amqp.PropertiesView
	if v.Decode([]byte{0, 1, 0, 0}) == nil {
		t.Error("a second word of flags, which there is none of, was taken")
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789"), 1000)
	raw := amqp.AppendContentHeader(nil, 5, uint64(len(body)), []byte{0, 0})
	raw = amqp.AppendBodyFrames(raw, 5, body, amqp.FrameMinSize)
	raw = amqp.AppendHeartbeat(raw)
	var got []byte
	var types []uint8
	for len(raw) > 0 {
		for n := range min(len(raw), 20) { // an incomplete frame is no error
			_, used, need, err := amqp.ParseFrame(raw[:n], amqp.FrameMinSize)
			if used != 0 || err != nil || need <= n {
				t.Fatalf("%d bytes: used %d, need %d, error %v", n, used, need, err)
			}
		}
		f, n, _, err := amqp.ParseFrame(raw, amqp.FrameMinSize)
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, f.Type)
		switch f.Type {
		case amqp.FrameHeader:
			h, err := amqp.ParseContentHeader(f.Payload)
			if err != nil {
				t.Fatal(err)
			}
			testx.Equal(t, h, amqp.ContentHeader{Class: 60, BodySize: 10000, Props: []byte{0, 0}})
		case amqp.FrameBody:
			testx.Equal(t, f.Channel, uint16(5))
			got = append(got, f.Payload...)
		}
		raw = raw[n:]
	}
	testx.Equal(t, types, []uint8{2, 3, 3, 3, 8})
	testx.Equal(t, got, body)
}

func TestError(t *testing.T) {
	t.Parallel()
	var err error = amqp.Errorf(amqp.NotFound, "no queue '%s' in vhost '/'", "q").In(amqp.IDQueueBind)
	testx.Equal(t, err.Error(), "NOT_FOUND - no queue 'q' in vhost '/'")
	var e *amqp.Error
	testx.Equal(t, errors.As(err, &e), true)
	testx.Equal(t, []any{e.Hard(), e.Method.Class(), e.Method.Method()}, []any{false, uint16(50), uint16(20)})
	testx.Equal(t, e.In(amqp.IDBasicAck).Method, amqp.IDQueueBind)
	testx.Equal(t, amqp.Errorf(amqp.FrameError, "").Hard(), true)
	testx.Equal(t, len(amqp.Errorf(amqp.NotFound, "%s", strings.Repeat("x", 500)).ReplyText()), 255)
}

func FuzzFrame(f *testing.F) {
	f.Add(amqp.AppendHeartbeat(nil))
	f.Add(amqp.AppendMethodFrame(nil, 1, &amqp.BasicQos{PrefetchCount: 1}))
	f.Add(amqp.AppendContentHeader(nil, 1, 5, []byte{0, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, n, need, err := amqp.ParseFrame(b, amqp.FrameMinSize)
		switch {
		case err != nil:
			if err.Code != amqp.FrameError {
				t.Fatalf("error %v is not a frame error", err)
			}
		case n == 0:
			if need <= len(b) || need > amqp.FrameMinSize {
				t.Fatalf("has %d bytes, says it needs %d", len(b), need)
			}
		default:
			if n > len(b) || len(fr.Payload)+amqp.FrameOverhead != n {
				t.Fatalf("a frame of %d bytes with a payload of %d, out of %d", n, len(fr.Payload), len(b))
			}
			if h, err := amqp.ParseContentHeader(fr.Payload); err == nil && len(h.Props)+12 != len(fr.Payload) {
				t.Fatal("the properties are not the rest of the header")
			}
		}
	})
}

func FuzzTable(f *testing.F) {
	f.Add(everything().Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		tab, rest, err := amqp.ParseTable(b)
		if err != nil {
			return
		}
		if amqp.CheckTable(b[4:len(b)-len(rest)]) != nil {
			t.Fatal("CheckTable refuses what ParseTable takes")
		}
		raw := tab.Append(nil)
		again, _, err := amqp.ParseTable(raw)
		testx.NoErr(t, err)
		if !bytes.Equal(again.Append(nil), raw) { // not Equal: NaN
			t.Fatalf("%v came back as %v", tab, again)
		}
	})
}

func FuzzMethod(f *testing.F) {
	for _, m := range allMethods(f) {
		f.Add(m.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := amqp.ParseMethod(b)
		if err != nil {
			return
		}
		raw := m.Append(nil)
		again, err := amqp.ParseMethod(raw)
		if err != nil {
			t.Fatalf("%+v written and read: %v", m, err)
		}
		if !bytes.Equal(again.Append(nil), raw) {
			t.Fatalf("%+v came back as %+v", m, again)
		}
	})
}

func FuzzProperties(f *testing.F) {
	p := properties()
	f.Add(p.Append(nil))
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var v amqp.PropertiesView
		var p amqp.Properties
		one, two := v.Decode(b), p.Decode(b)
		if (one == nil) != (two == nil) {
			t.Fatalf("the view says %v, the properties %v", one, two)
		}
	})
}

func TestSetHeader(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]amqp.Properties{
		"none":     {},
		"others":   {ContentType: "text/plain", ContentEncoding: "gzip", DeliveryMode: 2, AppID: "app"},
		"headers":  {ContentType: "text/plain", Headers: amqp.Table{"a": "b"}, MessageID: "m"},
		"replaced": {Headers: amqp.Table{"n": int32(1), "z": true}, ReplyTo: "r"},
	} {
		var got amqp.Properties
		testx.NoErr(t, got.Decode(amqp.SetHeader(p.Append(nil), "n", 7)))
		want := p
		want.Headers = maps.Clone(p.Headers)
		if want.Headers == nil {
			want.Headers = amqp.Table{}
		}
		want.Headers["n"] = int64(7)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v; want %+v", name, got, want)
		}
	}
}
