package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nubo/internal/testx"
)

type topConfig struct {
	Debug bool `default:"false" help:"Log at debug level."`
}

type databaseConfig struct {
	URL         string        `help:"Where the state is kept." secret:"true"`
	MaxPoolSize int           `default:"5" help:"Connections to keep."`
	IdleTimeout time.Duration `default:"1h" help:"How long a connection may be idle."`
	Ratio       float64       `default:"16" help:"A ratio."`
	Port        uint16        `default:"5432" help:"A port."`
	hidden      string        // no option: it is not exported
}

type level string

type rabbitConfig struct {
	Hosts    []string `toml:"rabbit_hosts" default:"a, b" help:"Brokers."`
	BodySize Size     `default:"128MiB" help:"The largest body."`
	Level    level    `default:"info" help:"A named string."`
	Pin      int      `help:"A secret number." secret:"true"`
}

// all is a fresh set of sections, in the order app would give them.
type all struct {
	top      topConfig
	database databaseConfig
	rabbit   rabbitConfig
}

func (a *all) sections() []Section {
	return []Section{{DefaultSection, &a.top}, {"database", &a.database}, {"oslo_messaging_rabbit", &a.rabbit}}
}

func defaults() all {
	return all{
		database: databaseConfig{MaxPoolSize: 5, IdleTimeout: time.Hour, Ratio: 16, Port: 5432},
		rabbit:   rabbitConfig{Hosts: []string{"a", "b"}, BodySize: 128 << 20, Level: "info"},
	}
}

func write(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nubo.toml")
	testx.NoErr(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// same compares whole sets, also what is not exported.
func same(t testing.TB, got, want all) {
	t.Helper()
	testx.Equal(t, got.top, want.top)
	if got.database != want.database {
		t.Fatalf("got %+v; want %+v", got.database, want.database)
	}
	testx.Equal(t, got.rabbit, want.rabbit)
}

func TestLoad(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		env        []string
		overrides  map[string]string
		change     func(*all)
	}{
		{"defaults", "", nil, nil, func(*all) {}},
		{"empty tables", "[database]\n[DEFAULT]\n", nil, nil, func(*all) {}},
		{"every type", `
			debug = true
			[database]
			url = "postgres://u:p@h/d"
			max_pool_size = -1
			idle_timeout = "1m30s"
			ratio = 1.5
			port = 65535
			[oslo_messaging_rabbit]
			rabbit_hosts = ["x:1", " y "]
			body_size = "10GB"
			level = "debug"
			pin = 7
			`, nil, nil, func(a *all) {
			a.top.Debug = true
			a.database = databaseConfig{URL: "postgres://u:p@h/d", MaxPoolSize: -1, IdleTimeout: 90 * time.Second, Ratio: 1.5, Port: 65535, hidden: "kept"}
			a.rabbit = rabbitConfig{Hosts: []string{"x:1", " y "}, BodySize: 10e9, Level: "debug", Pin: 7}
		}},
		{"numbers for durations, sizes and floats", `
			database.idle_timeout = 30
			database.ratio = 2
			oslo_messaging_rabbit = { body_size = 1000, rabbit_hosts = [] }
			`, nil, nil, func(a *all) {
			a.database.IdleTimeout, a.database.Ratio, a.rabbit.BodySize, a.rabbit.Hosts = 30*time.Second, 2, 1000, []string{}
		}},
		{"fractions of seconds", "[database]\nidle_timeout = 0.25", nil, nil, func(a *all) { a.database.IdleTimeout = 250 * time.Millisecond }},
		{"section DEFAULT", "[DEFAULT]\ndebug = true", nil, nil, func(a *all) { a.top.Debug = true }},
		{
			"environment over file", "[database]\nmax_pool_size = 6\nport = 1",
			[]string{"NUBO_DATABASE_MAX_POOL_SIZE=7", "NUBO_OSLO_MESSAGING_RABBIT_RABBIT_HOSTS=h1, h2,", "NUBO_DEFAULT_DEBUG=On", "NUBO_ADMIN_PASSWORD=x", "HOME=/", "NUBO_DATABASE_IDLE_TIMEOUT=45", "odd"},
			nil,
			func(a *all) {
				a.database.MaxPoolSize, a.database.Port, a.rabbit.Hosts, a.top.Debug, a.database.IdleTimeout = 7, 1, []string{"h1", "h2"}, true, 45*time.Second
			},
		},
		{
			"flag over environment", "",
			[]string{"NUBO_DATABASE_MAX_POOL_SIZE=7", "NUBO_DATABASE_PORT=2"},
			map[string]string{"database.max_pool_size": "8", "oslo_messaging_rabbit.body_size": "1k", "database.url": "", "oslo_messaging_rabbit.rabbit_hosts": ""},
			func(a *all) {
				a.database.MaxPoolSize, a.database.Port, a.rabbit.BodySize, a.rabbit.Hosts = 8, 2, 1024, []string{}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := ""
			if tt.file != "" {
				file = write(t, tt.file)
			}
			got, want := all{database: databaseConfig{URL: "left over", hidden: "kept"}}, defaults()
			want.database.hidden = "kept"
			tt.change(&want)
			_, err := Load(got.sections(), file, tt.env, tt.overrides)
			testx.NoErr(t, err)
			same(t, got, want)
		})
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file      string
		env       []string
		overrides map[string]string
		want      string // FILE stands for the file's name
	}{
		{file: "\n[databse]\n", want: `FILE:2: there is no section [databse]; the nearest known is [database]`},
		{file: "[database]\n\n  ulr = 1", want: `FILE:3: section [database] has no key "ulr"; the nearest known is "url"`},
		{file: "debgu = true", want: `FILE:1: section [DEFAULT] has no key "debgu"; the nearest known is "debug"`},
		{file: "database.ulr = 1", want: `FILE:1: section [database] has no key "ulr"; the nearest known is "url"`},
		{file: "[database.pool]\nsize = 1", want: `FILE:1: section [database] has no key "pool"; the nearest known is "port"`},
		{file: "\ndatabase = { port = 1, prot = 2 }", want: `FILE:2: section [database] has no key "prot"; the nearest known is "port"`},
		{file: "database = 1", want: `FILE:1: section [DEFAULT] has no key "database"; the nearest known is "debug"`},
		{file: "[[database]]", want: `FILE:1: section [database] is not a plain table`},
		{file: "[[database]]\nport = 1", want: `FILE:1: section [database] is not a plain table`},
		{file: "[database]\nport.x = 1", want: `FILE:2: [database] port: want an integer, not a table`},
		{file: "[database.port]\nx = 1", want: `FILE:1: [database] port: want an integer, not map[x:1]`},
		{file: "[database]\nport = 1\nport = 2", want: `FILE:3: toml: key port is already defined`},
		{file: "[database]\nurl = \"hush", want: `FILE:2: toml: unterminated basic string`},

		{file: "[database]\nmax_pool_size = \"5\"", want: `FILE:2: [database] max_pool_size: want an integer, not "5"`},
		{file: "[database]\nmax_pool_size = 1.0", want: `FILE:2: [database] max_pool_size: want an integer, not 1`},
		{file: "[database]\nport = 65536", want: `FILE:2: [database] port: want a whole number from 0 to 65535, not "65536"`},
		{file: "[database]\nport = -1", want: `FILE:2: [database] port: want a whole number from 0 to 65535, not "-1"`},
		{file: "[database]\nratio = true", want: `FILE:2: [database] ratio: want a float, not true`},
		{file: "[database]\nratio = nan", want: `FILE:2: [database] ratio: want a number, not "NaN"`},
		{file: "[database]\nidle_timeout = \"soon\"", want: `FILE:2: [database] idle_timeout: want a duration such as 30s, or seconds, not "soon"`},
		{file: "[database]\nidle_timeout = inf", want: `FILE:2: [database] idle_timeout: want a duration such as 30s, or seconds, not "+Inf"`},
		{file: "[database]\nidle_timeout = 99999999999999", want: `FILE:2: [database] idle_timeout: want a duration such as 30s, or seconds, not "99999999999999"`},
		{file: "debug = \"true\"", want: `FILE:1: [DEFAULT] debug: want a boolean, not "true"`},
		{file: "[oslo_messaging_rabbit]\nrabbit_hosts = \"a\"", want: `FILE:2: [oslo_messaging_rabbit] rabbit_hosts: want a list, not "a"`},
		{file: "[oslo_messaging_rabbit]\nrabbit_hosts = [\"a\", 1]", want: `FILE:2: [oslo_messaging_rabbit] rabbit_hosts: want a list of strings, not 1`},
		{file: "[oslo_messaging_rabbit]\nbody_size = \"1 foot\"", want: `FILE:2: [oslo_messaging_rabbit] body_size: there is no unit "foot"; want a size such as 10GiB, not "1 foot"`},
		{file: "[oslo_messaging_rabbit]\nlevel = 1979-05-27", want: `FILE:2: [oslo_messaging_rabbit] level: want a string, not 1979-05-27`},
		// A secret is not repeated, whatever its type.
		{file: "[database]\nurl = 42", want: `FILE:2: [database] url: want a string`},
		{env: []string{"NUBO_OSLO_MESSAGING_RABBIT_PIN=hush"}, want: `environment variable NUBO_OSLO_MESSAGING_RABBIT_PIN: want a whole number`},

		{env: []string{"NUBO_DATABASE_ULR=x"}, want: `environment variable NUBO_DATABASE_ULR sets no config key; the nearest known is NUBO_DATABASE_URL`},
		{env: []string{"NUBO_DATABASE_PORT=x"}, want: `environment variable NUBO_DATABASE_PORT: want a whole number from 0 to 65535, not "x"`},
		{env: []string{"NUBO_DEFAULT_DEBUG=maybe"}, want: `environment variable NUBO_DEFAULT_DEBUG: want true or false, not "maybe"`},
		{overrides: map[string]string{"database.prot": "1"}, want: `there is no config key "database.prot"; the nearest known is "database.port"`},
		{overrides: map[string]string{"database.port": "x", "database.z": ""}, want: `flag for [database] port: want a whole number from 0 to 65535, not "x"`},
	} {
		file := write(t, tt.file)
		var a all
		_, err := Load(a.sections(), file, tt.env, tt.overrides)
		if err == nil {
			t.Errorf("%+v is accepted; want error %s", tt, tt.want)
			continue
		}
		testx.Equal(t, strings.ReplaceAll(err.Error(), file, "FILE"), tt.want)
	}
	var a all
	_, err := Load(a.sections(), filepath.Join(t.TempDir(), "absent.toml"), nil, nil)
	testx.ErrIs(t, err, os.ErrNotExist)
}

func TestKeyBeforeSections(t *testing.T) {
	t.Parallel()
	var d databaseConfig
	file := write(t, "debug = true")
	_, err := Load([]Section{{"database", &d}}, file, nil, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	testx.Equal(t, err.Error(), file+":1: key debug stands before the first [section]")
}

func TestDeclarationErrors(t *testing.T) {
	t.Parallel()
	type a struct {
		Key string `help:"x"`
	}
	type b struct {
		BKey string `help:"x"`
	}
	for _, tt := range []struct {
		sections []Section
		want     string
	}{
		{[]Section{{"s", a{}}}, `config section [s]: config.a is no pointer to a struct`},
		{[]Section{{"s", nil}}, `config section [s]: <nil> is no pointer to a struct`},
		{[]Section{{"s", &a{}}, {"s", &a{}}}, `config key [s] key is declared twice`},
		{[]Section{{"a_b", &a{}}, {"a", &b{}}}, `config keys a_b.key and a.b_key share the variable NUBO_A_B_KEY`},
		{[]Section{{"s", &struct{ N int }{}}}, `config section [s]: n has no help`},
		{[]Section{{"s", &struct {
			M map[string]string `help:"x"`
		}{}}}, `config section [s]: m has a type that cannot be configured, map[string]string`},
		{[]Section{{"s", &struct {
			N int `help:"x" default:"many"`
		}{}}}, `config section [s]: default of n: want a whole number, not "many"`},
	} {
		_, err := Load(tt.sections, "", nil, nil)
		if err == nil {
			t.Errorf("%+v is accepted; want error %s", tt.sections, tt.want)
			continue
		}
		testx.Equal(t, err.Error(), tt.want)
	}
}

func TestSnake(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"URL": "url", "MaxPoolSize": "max_pool_size", "RPCResponseTimeout": "rpc_response_timeout",
		"HostIP": "host_ip", "A": "a", "CPUAllocationRatio": "cpu_allocation_ratio", "Ipv6Only": "ipv6_only",
	} {
		testx.Equal(t, snake(in), want)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	file := write(t, "[database]\nurl = \"postgres://u:hush@h/d\"\nratio = 3")
	var a all
	l, err := Load(a.sections(), file, []string{"NUBO_DATABASE_PORT=1"}, map[string]string{"database.max_pool_size": "9"})
	testx.NoErr(t, err)
	var out strings.Builder
	testx.NoErr(t, l.Print(&out))
	testx.Equal(t, strings.ReplaceAll(out.String(), file, "FILE"), `[DEFAULT]
debug = false # default

[database]
url = "****" # FILE:2
max_pool_size = 9 # flag
idle_timeout = "1h0m0s" # default
ratio = 3.0 # FILE:3
port = 1 # env NUBO_DATABASE_PORT

[oslo_messaging_rabbit]
rabbit_hosts = ["a", "b"] # default
body_size = "128MiB" # default
level = "info" # default
pin = 0 # default
`)
	testx.Equal(t, l.Source("database.url"), file+":2")
	testx.Equal(t, l.Source("database.none"), "")
}

func TestSample(t *testing.T) {
	t.Parallel()
	a := all{database: databaseConfig{MaxPoolSize: 77}}
	var out strings.Builder
	testx.NoErr(t, Sample(&out, a.sections()))
	testx.Equal(t, a.database.MaxPoolSize, 77) // the caller's values stay
	testx.Equal(t, out.String(), `[DEFAULT]
# Log at debug level. (boolean)
#debug = false

[database]
# Where the state is kept. (string)
#url = ""
# Connections to keep. (integer)
#max_pool_size = 5
# How long a connection may be idle. (duration)
#idle_timeout = "1h0m0s"
# A ratio. (float)
#ratio = 16.0
# A port. (integer)
#port = 5432

[oslo_messaging_rabbit]
# Brokers. (list)
#rabbit_hosts = ["a", "b"]
# The largest body. (size)
#body_size = "128MiB"
# A named string. (string)
#level = "info"
# A secret number. (integer)
#pin = 0
`)
	// As it is and with every key uncommented, the sample means the defaults.
	for _, text := range []string{out.String(), uncomment(out.String())} {
		var got all
		l, err := Load(got.sections(), write(t, text), nil, nil)
		testx.NoErr(t, err)
		same(t, got, defaults())
		testx.Equal(t, l.Source("database.port") == "default", text == out.String())
	}
	testx.Equal(t, Sample(&out, []Section{{"s", nil}}).Error(), `config section [s]: <nil> is no pointer to a struct`)
}

func uncomment(sample string) string {
	lines := strings.Split(sample, "\n")
	for i, l := range lines {
		if !strings.HasPrefix(l, "# ") {
			lines[i] = strings.TrimPrefix(l, "#")
		}
	}
	return strings.Join(lines, "\n")
}

func TestSharedSection(t *testing.T) {
	t.Parallel()
	type more struct {
		Extra string `default:"x" help:"Another component's key."`
	}
	var d databaseConfig
	var m more
	l, err := Load([]Section{{"database", &d}, {"cache", &struct {
		On bool `help:"x"`
	}{}}, {"database", &m}}, write(t, "[database]\nextra = \"y\"\nport = 3"), nil, nil)
	testx.NoErr(t, err)
	testx.Equal(t, m.Extra, "y")
	testx.Equal(t, d.Port, uint16(3))
	var out strings.Builder
	testx.NoErr(t, l.Print(&out))
	testx.Equal(t, strings.Count(out.String(), "[database]"), 1)
}

func TestSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want Size
		out  string
	}{
		{"0", 0, "0B"}, {"1", 1, "1B"}, {"1024", 1024, "1KiB"}, {"1k", 1024, "1KiB"}, {"1kB", 1000, "1000B"}, {"3 MiB", 3 << 20, "3MiB"},
		{"1gib", 1 << 30, "1GiB"}, {"5GB", 5e9, "5000000000B"}, {"1536K", 1536 << 10, "1536KiB"}, {"2T", 2 << 40, "2TiB"}, {"1tb", 1e12, "976562500KiB"}, {"7B", 7, "7B"},
	} {
		got, err := ParseSize(tt.in)
		testx.NoErr(t, err)
		testx.Equal(t, got, tt.want)
		testx.Equal(t, got.String(), tt.out)
		again, err := ParseSize(got.String())
		testx.NoErr(t, err)
		testx.Equal(t, int64(again), int64(got))
	}
	for _, s := range []string{"", "G", "-1", "1.5G", "1X", "9223372036854775808", "99999999T", "1 2"} {
		if n, err := ParseSize(s); err == nil {
			t.Errorf("%q is taken for %d", s, n)
		}
	}
}

// FuzzFile finds no file that makes Load panic, and whatever file is accepted
// means the same after Print wrote it and Load read it again.
func FuzzFile(f *testing.F) {
	for _, s := range []string{
		"", "debug = true", "[database]\nurl = 'x'\nport=1", "[[database]]", "database = {port = 1}", "[database.x]", "a.b.c = 1",
		"[oslo_messaging_rabbit]\nrabbit_hosts = ['a',\n\"\\u0000\"]\nbody_size='1K'", "[\"data\\u0062ase\"]\n'port' = 0x10", "\xff", "[database]\nidle_timeout = 1e300", "[a]\n[a]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got all
		l, err := declare(got.sections())
		testx.NoErr(t, err)
		if err := l.parseFile(data, "f"); err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("the error does not begin with the file: %v", err)
			}
			return
		}
		// What was accepted prints as a file that means the same.
		got.database.URL, got.rabbit.Pin = "", 0 // masked
		var out strings.Builder
		testx.NoErr(t, l.Print(&out))
		var again all
		l, err = declare(again.sections())
		testx.NoErr(t, err)
		if err := l.parseFile([]byte(out.String()), "again"); err != nil {
			t.Fatalf("printed as\n%s\n%v", out.String(), err)
		}
		same(t, again, got)
	})
}
