package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/go-logr/logr"

	"taffrail.dev/webhook/decision"
)

// newLogger returns a logger that logs through slog. It is a logr.Logger because libraries
// require one.
func newLogger(w io.Writer, level, format string) (logr.Logger, error) {
	var options slog.HandlerOptions
	var threshold slog.Level
	if err := threshold.UnmarshalText([]byte(level)); err != nil {
		return logr.Logger{}, err
	}
	options.Level = threshold
	options.ReplaceAttr = redacted
	if level == "debug" {
		// logr's V(1) is one level below info. debug includes V(1), but not client-go's V(4).
		options.Level = slog.LevelInfo - 1
	}
	if format == "text" {
		return logr.FromSlogHandler(slog.NewTextHandler(w, &options)), nil
	}
	return logr.FromSlogHandler(slog.NewJSONHandler(w, &options)), nil
}

// redacted removes credentials from logged values. User names are kept: the API server has
// authenticated them, and oidc:ana@example.com only resembles a password before a host.
func redacted(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == "user" {
		return attr
	}
	attr.Value = attr.Value.Resolve()
	switch attr.Value.Kind() {
	case slog.KindString:
		attr.Value = slog.StringValue(decision.Redact(attr.Value.String()))
	case slog.KindAny:
		switch value := attr.Value.Any().(type) {
		case nil:
		case error:
			attr.Value = slog.StringValue(decision.Redact(value.Error()))
		case []string:
			texts := make([]string, len(value))
			for i, text := range value {
				texts[i] = decision.Redact(text)
			}
			attr.Value = slog.AnyValue(texts)
		case []byte:
			attr.Value = slog.StringValue(decision.Redact(string(value)))
		default:
			attr.Value = slog.StringValue(decision.Redact(fmt.Sprintf("%+v", value))) // a fmt.Stringer as it prints itself
		}
	}
	return attr
}
