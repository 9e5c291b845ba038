package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io"
	"strings"
	"time"
)

// HTMLOptions configures NewHTML.
type HTMLOptions struct {
	// Title is the heading of the page.
	Title string
	// Version is the version of the program, or empty if unknown.
	Version string
	// Now is the time of the report.
	Now time.Time
}

// NewHTML returns a Printer that writes one page for people: totals, bars by policy and namespace, and a
// table of all findings that can be searched, filtered, sorted and grouped. The page contains everything it
// needs and sends no request, so that it can be attached to a ticket. Its text comes from strangers: the
// template escapes it, the script only ever sets text, and a Content-Security-Policy permits no other
// script and no style than those of the page.
//
// The page has what NewJSON prints about findings, with the same credentials redacted. It holds all findings
// until Close, to sort them by cost.
func NewHTML(w io.Writer, o HTMLOptions) Printer {
	return &htmlPrinter{w: w, options: o, data: newHTMLData()}
}

//go:embed html
var htmlFiles embed.FS

type htmlPrinter struct {
	w       io.Writer
	options HTMLOptions
	data    *htmlData
	totals  Totals
}

func (p *htmlPrinter) Add(r *Report) error {
	p.totals.Add(r)
	for i := range r.Objects {
		p.data.add(&r.Objects[i])
	}
	for i := range r.Gone {
		p.data.addGone(&r.Gone[i])
	}
	return nil
}

func (p *htmlPrinter) Close() error {
	page, err := template.ParseFS(htmlFiles, "html/page.html")
	if err != nil {
		return err
	}
	style, err := htmlFiles.ReadFile("html/page.css")
	if err != nil {
		return err
	}
	script, err := htmlScript()
	if err != nil {
		return err
	}
	p.data.sort()
	return page.Execute(p.w, &htmlPage{
		Title: p.options.Title, Version: p.options.Version, Time: p.options.Now.UTC().Format("2006-01-02 15:04 UTC"),
		ContentSecurityPolicy: contentSecurityPolicy(string(style), script),
		Style:                 template.CSS(style),
		Script:                template.JS(script),
		Summary:               p.totals.summaryText(),
		Tiles:                 tiles(&p.totals.Summary),
		Messages:              p.messages(),
		Bars: []htmlBars{
			p.data.bars("policy", "Findings by policy", func(f *htmlFinding) string { return f.Policy }),
			p.data.bars("namespace", "Findings by namespace", func(f *htmlFinding) string { return f.Object.Namespace }),
		},
		Findings: p.data.findings,
		First:    p.data.findings[:min(len(p.data.findings), htmlFirst)],
		Data:     p.data.wire(),
	})
}

// htmlScripts are the parts of the page's script, in order. The last starts it.
func htmlScripts() []string { return []string{"data.js", "state.js", "view.js", "rows.js", "main.js"} }

// htmlScript returns the script, none of whose names are global.
func htmlScript() (string, error) {
	var b strings.Builder
	b.WriteString("(() => {\n\"use strict\";\n")
	for _, name := range htmlScripts() {
		text, err := htmlFiles.ReadFile("html/" + name)
		if err != nil {
			return "", err
		}
		b.Write(text)
	}
	b.WriteString("})();\n")
	return b.String(), nil
}

// contentSecurityPolicy permits this style and this script, and nothing else. The icon is an empty data URL:
// without one, a browser requests /favicon.ico. Trusted Types keep the script from writing HTML.
func contentSecurityPolicy(style, script string) string {
	return strings.Join([]string{
		"default-src 'none'", "style-src " + sourceHash(style), "script-src " + sourceHash(script), "img-src data:",
		"base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
	}, "; ")
}

func sourceHash(text string) string {
	hash := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
}
