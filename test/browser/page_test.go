package browser_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// page is a tab. When the test ends, it fails if the page wrote to the console, broke its own
// Content-Security-Policy, or requested anything but itself.
type page struct {
	t   *testing.T
	ctx context.Context
	url string

	mutex    sync.Mutex
	problems []string
}

// check writes the report of manifests, and returns the file.
func check(t *testing.T, manifests string, args ...string) string {
	t.Helper()
	command := exec.Command(program, append([]string{"check", "-o", "html", "-"}, args...)...)
	command.Stdin = strings.NewReader(manifests)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if command.ProcessState.ExitCode() == 2 {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, output, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// open opens a file in a tab of its own, 1280 pixels wide.
func open(t *testing.T, file, hash string) *page {
	t.Helper()
	p := &page{t: t, url: "file://" + file}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithListener(p.listen))
	t.Cleanup(cancel)
	p.ctx = ctx
	p.run(p.call(network.Enable.Method, network.EnableParams{}), p.call(log.Enable.Method, cdp.Empty{}))
	p.resize(1280, 900)
	p.navigate(hash)
	t.Cleanup(func() {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		for _, problem := range p.problems {
			t.Error(problem)
		}
	})
	return p
}

func (p *page) navigate(hash string) {
	p.t.Helper()
	// Without another page in between, only the part after "#" would change.
	p.run(chromedp.Navigate("about:blank"), chromedp.Navigate(p.url+hash), chromedp.WaitReady(chromedp.CSS("main")))
}

func (p *page) listen(event any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		url, _, _ := strings.Cut(e.Request.URL, "#")
		if url != p.url && url != "about:blank" && url != "data:," {
			p.problems = append(p.problems, "the page requested "+url)
		}
	case *log.EventEntryAdded:
		p.problems = append(p.problems, "the browser logged: "+e.Entry.Text)
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, "an exception: "+e.ExceptionDetails.Text+e.ExceptionDetails.Exception.Description)
	case *runtime.EventConsoleAPICalled:
		p.problems = append(p.problems, "the page wrote to the console")
	}
}

// run runs actions, each of which waits for what it acts on, for at most a minute.
func (p *page) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx); err != nil { // opens the tab, which lives as long as the context
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// call returns the action for a command of the protocol.
func (p *page) call(method string, parameters any) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		return target.Call(ctx, method, parameters, &cdp.Empty{})
	})
}

func (p *page) resize(width, height int64) {
	p.t.Helper()
	p.run(chromedp.EmulateViewport(width, height))
}

// media makes the page look as in a color scheme, or as printed.
func (p *page) media(medium, scheme string) {
	p.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	p.run(p.call(emulation.SetEmulatedMedia.Method, emulation.SetEmulatedMediaParams{Media: medium, Features: features}))
}

// screenshot writes what is visible, if the flag wants screenshots.
func (p *page) screenshot(name string) {
	p.t.Helper()
	if *screenshots == "" {
		return
	}
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// evaluate returns the value of a JavaScript expression.
func evaluate[T any](p *page, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// texts returns the visible texts of all elements that match a selector.
func (p *page) texts(selector string) []string {
	p.t.Helper()
	return evaluate[[]string](p, "[...document.querySelectorAll("+quoted(selector)+")].map((e) => e.innerText.trim())")
}

// text returns the visible text of the only element that matches a selector.
func (p *page) text(selector string) string {
	p.t.Helper()
	all := p.texts(selector)
	if len(all) != 1 {
		p.t.Fatalf("%s: %q", selector, all)
	}
	return all[0]
}

// hash returns what is after "#" in the URL.
func (p *page) hash() string {
	p.t.Helper()
	return evaluate[string](p, "location.hash.slice(1)")
}

func (p *page) click(selector string) {
	p.t.Helper()
	p.run(chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
}

// choose selects an option as a person does with the keyboard: by an event of the select element.
func (p *page) choose(name, value string) {
	p.t.Helper()
	evaluate[bool](p, `(() => {
		const select = document.querySelector("select[name=`+name+`]");
		select.value = `+quoted(value)+`;
		return select.dispatchEvent(new Event("change", {bubbles: true}));
	})()`)
}

func (p *page) search(text string) {
	p.t.Helper()
	p.run(chromedp.Focus(chromedp.CSS("input[type=search]")), chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)),
		chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(text))
}
