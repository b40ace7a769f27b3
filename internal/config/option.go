package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// option is one key of a section: a field of a component's struct.
type option struct {
	section string
	key     string
	def     string // the default as written in the tag
	help    string
	secret  bool
	field   reflect.Value
	source  string // where the value came from
}

// name is how overrides and messages name the option.
func (o *option) name() string { return o.section + "." + o.key }

// env is the environment variable that sets the option.
func (o *option) env() string { return envName(o.section) + "_" + envName(o.key) }

// envPrefix begins the name of every variable that sets an option.
const envPrefix = "NUBO_"

func envName(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToUpper(r)
		}
		return '_'
	}, s)
}

// optionsOf lists a section's options. Its errors are mistakes in the program.
func optionsOf(s Section) ([]*option, error) {
	v := reflect.ValueOf(s.Ptr)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("config section [%s]: %T is no pointer to a struct", s.Name, s.Ptr)
	}
	v = v.Elem()
	var out []*option
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		o := &option{
			section: s.Name, key: f.Tag.Get("toml"), def: f.Tag.Get("default"), help: f.Tag.Get("help"),
			secret: f.Tag.Get("secret") == "true", field: v.Field(i), source: "default",
		}
		if o.key == "" {
			o.key = snake(f.Name)
		}
		if o.help == "" {
			return nil, fmt.Errorf("config section [%s]: %s has no help", s.Name, o.key)
		}
		if kindOf(o.field) == "" {
			return nil, fmt.Errorf("config section [%s]: %s has a type that cannot be configured, %s", s.Name, o.key, f.Type)
		}
		o.field.SetZero() // the tag alone says what the default is
		if o.def != "" {
			if err := o.setText(o.def); err != nil {
				return nil, fmt.Errorf("config section [%s]: default of %s: %w", s.Name, o.key, err)
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// snake makes rpc_response_timeout of RPCResponseTimeout.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			afterLower := !unicode.IsUpper(runes[i-1])
			beforeLower := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if afterLower || beforeLower {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
)

// kindOf names the type of a field for people; "" if it is none that can be
// configured.
func kindOf(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return "duration"
	case v.Type() == sizeType:
		return "size"
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
		return "list"
	}
	switch v.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "integer"
	case reflect.Float32, reflect.Float64:
		return "float"
	}
	return ""
}

// setText sets the field from text: a default, an environment variable or a
// flag.
func (o *option) setText(s string) error {
	switch v := o.field; kindOf(v) {
	case "string":
		v.SetString(s)
	case "list":
		items := strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
		for i := range items {
			items[i] = strings.TrimSpace(items[i])
		}
		o.setList(items)
	case "boolean":
		switch strings.ToLower(s) { // the words oslo.config takes
		case "true", "1", "yes", "on":
			v.SetBool(true)
		case "false", "0", "no", "off":
			v.SetBool(false)
		default:
			return o.wrong("true or false", s)
		}
	case "integer":
		return o.setInteger(s)
	case "float":
		f, err := strconv.ParseFloat(s, v.Type().Bits())
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return o.wrong("a number", s)
		}
		v.SetFloat(f)
	case "duration":
		d, err := time.ParseDuration(s)
		if f, ferr := strconv.ParseFloat(s, 64); ferr == nil {
			d, err = seconds(f)
		}
		if err != nil {
			return o.wrong("a duration such as 30s, or seconds", s)
		}
		v.SetInt(int64(d))
	case "size":
		n, err := ParseSize(s)
		if err != nil {
			return o.reject(err.Error(), s)
		}
		v.SetInt(int64(n))
	}
	return nil
}

func (o *option) setInteger(s string) error {
	v := o.field
	if v.CanUint() {
		n, err := strconv.ParseUint(s, 10, v.Type().Bits())
		if err != nil {
			return o.wrong(fmt.Sprintf("a whole number from 0 to %d", uint64(1)<<(v.Type().Bits()-1)*2-1), s)
		}
		v.SetUint(n)
		return nil
	}
	n, err := strconv.ParseInt(s, 10, v.Type().Bits())
	if err != nil {
		return o.wrong("a whole number", s)
	}
	v.SetInt(n)
	return nil
}

func (o *option) setList(items []string) {
	list := reflect.MakeSlice(o.field.Type(), 0, len(items))
	for _, s := range items {
		item := reflect.New(o.field.Type().Elem()).Elem()
		item.SetString(s)
		list = reflect.Append(list, item)
	}
	o.field.Set(list)
}

// seconds makes a duration of a number of seconds.
func seconds(f float64) (time.Duration, error) {
	const most = float64(1<<63-1) / float64(time.Second)
	if !(math.Abs(f) < most) { // written so that it refuses NaN too
		return 0, fmt.Errorf("out of range")
	}
	return time.Duration(f * float64(time.Second)), nil
}

// setTOML sets the field from a value of the file, whose type must fit: text
// is taken for durations and sizes alone, which TOML has no type for.
func (o *option) setTOML(value any) error {
	kind := kindOf(o.field)
	switch value := value.(type) {
	case string:
		if kind == "string" || kind == "duration" || kind == "size" {
			return o.setText(value)
		}
	case bool:
		if kind == "boolean" {
			o.field.SetBool(value)
			return nil
		}
	case int64:
		if kind == "integer" || kind == "float" || kind == "duration" || kind == "size" {
			return o.setText(strconv.FormatInt(value, 10))
		}
	case float64:
		if kind == "float" || kind == "duration" {
			return o.setText(strconv.FormatFloat(value, 'g', -1, 64))
		}
	case []any:
		if kind == "list" {
			items := make([]string, len(value))
			for i, item := range value {
				s, ok := item.(string)
				if !ok {
					return o.reject("want a list of strings", item)
				}
				items[i] = s
			}
			o.setList(items)
			return nil
		}
	}
	return o.reject("want "+withArticle(kind), value)
}

func withArticle(kind string) string {
	if kind == "integer" {
		return "an " + kind
	}
	return "a " + kind
}

func (o *option) wrong(want, got string) error { return o.reject("want "+want, got) }

// reject makes an error that shows the value, unless it is a secret.
func (o *option) reject(what string, got any) error {
	if o.secret {
		return fmt.Errorf("%s", what)
	}
	if s, ok := got.(string); ok {
		return fmt.Errorf("%s, not %q", what, s)
	}
	return fmt.Errorf("%s, not %v", what, got)
}

// text writes the value as the file would have it.
func (o *option) text() string {
	switch v := o.field; kindOf(v) {
	case "duration", "size":
		return quote(fmt.Sprint(v.Interface()))
	case "list":
		items := make([]string, v.Len())
		for i := range items {
			items[i] = quote(v.Index(i).String())
		}
		return "[" + strings.Join(items, ", ") + "]"
	case "string":
		return quote(v.String())
	case "float":
		s := strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
		if strings.Trim(s, "-0123456789") == "" {
			s += ".0" // TOML tells a float by its point
		}
		return s
	default:
		return fmt.Sprint(v.Interface())
	}
}

// quote writes a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
