package obs

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"nubo/internal/auth"
)

// moduleKey is the attribute that names a logger's module.
const moduleKey = "module"

// Module gives a logger of the named module, as "nubo.compute.scheduler".
func Module(log *slog.Logger, name string) *slog.Logger { return log.With(moduleKey, name) }

// Options say what is logged and how.
type Options struct {
	JSON   bool
	Level  slog.Level            // of modules that Levels does not name; debug = true makes it slog.LevelDebug
	Levels map[string]slog.Level // by module; it holds for the dotted names below it, too
}

// level is the level of the module: that of the longest name it is under.
func (o *Options) level(module string) slog.Level {
	for name := module; ; {
		if l, ok := o.Levels[name]; ok {
			return l
		}
		i := strings.LastIndexByte(name, '.')
		if i < 0 {
			return o.Level
		}
		name = name[:i]
	}
}

// handler renders records. Groups are flattened: their attributes are named
// "group.key" in both formats, so that those of the request stay at the top.
type handler struct {
	out     *output
	opts    *Options
	json    slog.Handler // nil for text; has no attributes of its own
	module  string
	enabled slog.Level
	prefix  string      // of open groups, with the dot
	attrs   []slog.Attr // flat
}

// output is shared by all handlers that come of one.
type output struct {
	mu sync.Mutex
	w  io.Writer // under mu: one Write a record
}

// NewHandler makes the handler of a process.
func NewHandler(w io.Writer, opts Options) slog.Handler {
	h := &handler{out: &output{w: w}, opts: &opts, module: "nubo"}
	if opts.JSON {
		h.json = slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.Level(-128)}) // levels are judged here
	}
	h.enabled = opts.level(h.module)
	return h
}

// Enabled judges by the module's level.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.enabled }

// WithAttrs adds attributes to every record; "module" names the module.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		if a.Key == moduleKey && h.prefix == "" {
			next.module = a.Value.Resolve().String()
			next.enabled = h.opts.level(next.module)
			continue
		}
		next.attrs = flatten(next.attrs, h.prefix, a)
	}
	return &next
}

// WithGroup puts the name before the keys that follow.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.prefix = h.prefix + name + "."
	return &next
}

func flatten(to []slog.Attr, prefix string, a slog.Attr) []slog.Attr {
	a.Value = a.Value.Resolve()
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, b := range a.Value.Group() {
			to = flatten(to, prefix, b)
		}
		return to
	}
	if a.Equal(slog.Attr{}) {
		return to
	}
	a.Key = prefix + a.Key
	return append(to, a)
}

// Handle writes a record.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	attrs := slices.Clip(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.prefix, a)
		return true
	})
	caller := auth.From(ctx)
	if h.json != nil {
		flat := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
		flat.AddAttrs(slog.String(moduleKey, h.module))
		flat.AddAttrs(requestAttrs(caller)...)
		flat.AddAttrs(attrs...)
		return h.json.Handle(ctx, flat)
	}
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	*b = h.appendText((*b)[:0], caller, &r, attrs)
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(*b)
	return err
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func requestAttrs(c *auth.Context) []slog.Attr {
	var attrs []slog.Attr
	for _, a := range []slog.Attr{
		slog.String("request_id", c.RequestID), slog.String("global_request_id", c.GlobalRequestID),
		slog.String("user_id", c.UserID), slog.String("project_id", c.ProjectID),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

func (h *handler) appendText(b []byte, c *auth.Context, r *slog.Record, attrs []slog.Attr) []byte {
	b = r.Time.AppendFormat(b, "2006-01-02 15:04:05.000")
	b = append(b, ' ')
	b = append(b, levelName(r.Level)...)
	b = append(b, ' ')
	b = append(b, h.module...)
	b = append(b, " ["...)
	if c.RequestID == "" && c.UserID == "" {
		b = append(b, '-')
	} else {
		b = appendField(b, c.RequestID)
		b = append(b, ' ')
		b = appendField(b, c.UserID)
		b = append(b, ' ')
		b = appendField(b, c.ProjectID)
	}
	b = append(b, "] "...)
	b = appendMessage(b, r.Message)
	if c.GlobalRequestID != "" {
		attrs = append(attrs, slog.String("global_request_id", c.GlobalRequestID))
	}
	for _, a := range attrs {
		b = append(b, ' ')
		b = appendField(b, a.Key)
		b = append(b, '=')
		b = appendField(b, valueText(a.Value))
	}
	return append(b, '\n')
}

// levelName is the name OpenStack's logs use.
func levelName(l slog.Level) string {
	if l == slog.LevelWarn {
		return "WARNING"
	}
	return l.String()
}

func valueText(v slog.Value) string {
	if v.Kind() == slog.KindTime {
		return v.Time().UTC().Format(time.RFC3339Nano)
	}
	return v.String()
}

// appendField writes a text such that it is one field of the line: quoted if
// it has to be, "-" if it is empty.
func appendField(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r == '"' || r == '=' || unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

// appendMessage writes a message; one that would break the line is quoted.
func appendMessage(b []byte, s string) []byte {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

// ParseLevels reads levels by module, written as oslo.log's
// default_log_levels: "amqp=WARNING,nubo.compute=DEBUG".
func ParseLevels(text string) (map[string]slog.Level, error) {
	levels := map[string]slog.Level{}
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		module, name, _ := strings.Cut(pair, "=")
		level, ok := levelsByName[strings.ToUpper(strings.TrimSpace(name))]
		if module = strings.TrimSpace(module); !ok || module == "" {
			return nil, &levelError{pair}
		}
		levels[module] = level
	}
	return levels, nil
}

var levelsByName = map[string]slog.Level{
	"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "WARNING": slog.LevelWarn,
	"ERROR": slog.LevelError, "CRITICAL": slog.LevelError,
}

type levelError struct{ pair string }

func (e *levelError) Error() string {
	return "log level " + strconv.Quote(e.pair) + " is not MODULE=DEBUG, INFO, WARNING or ERROR"
}
