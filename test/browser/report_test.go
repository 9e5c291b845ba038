package browser_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const rows = "#findings tr.finding"

// subjects returns the objects of the rows, without repetitions.
func (p *page) subjects() []string {
	p.t.Helper()
	return slices.Compact(p.texts(rows + " td:nth-child(4)"))
}

func TestFilters(t *testing.T) {
	p := open(t, check(t, shop()), "")
	all := len(p.texts(rows))
	if got := p.text("#status"); got != strconv.Itoa(all)+" findings" || all < 10 {
		t.Fatalf("%d rows, %q", all, got)
	}
	p.choose("policy", "=image-tag")
	if got := p.texts(rows + " td:nth-child(3)"); !slices.Equal(got, []string{"image-tag", "image-tag"}) {
		t.Errorf("the rows of image-tag: %q", got)
	}
	p.choose("namespace", "=pay")
	if got := p.texts(rows + " td:nth-child(4)"); len(got) != 1 || !strings.Contains(got[0], "pay/api") {
		t.Errorf("the row in namespace pay: %q", got)
	}
	if got := p.hash(); got != "policy=image-tag&namespace=pay" {
		t.Errorf("the URL: %q", got)
	}
	p.run(chromedp.NavigateBack())
	p.run(chromedp.WaitReady(chromedp.CSS(rows + ":nth-of-type(2)")))
	if got := p.hash(); got != "policy=image-tag" {
		t.Errorf("the URL after going back: %q", got)
	}
	if got := evaluate[string](p, "document.querySelector('select[name=namespace]').value"); got != "all" {
		t.Errorf("the filter after going back: %q", got)
	}
	p.click("button[type=reset]")
	if got := len(p.texts(rows)); got != all || p.hash() != "" {
		t.Errorf("%d rows after a reset, and the URL %q", got, p.hash())
	}
	p.click(`.bars a[data-value="image-tag"]`)
	if got := len(p.texts(rows)); got != 2 || p.hash() != "policy=image-tag" {
		t.Errorf("%d rows after a click on a bar, and the URL %q", got, p.hash())
	}
}

func TestSearch(t *testing.T) {
	p := open(t, check(t, shop()), "")
	p.search("SHOP/web no tag")
	if got := p.texts(rows); len(got) != 1 || !strings.Contains(got[0], "image-tag") {
		t.Errorf("rows: %q", got)
	}
	p.search("nothing like this")
	if got := p.text("#status"); got != "No finding matches." {
		t.Errorf("status: %q", got)
	}
}

func TestSort(t *testing.T) {
	p := open(t, check(t, shop()), "")
	header, column := "th[data-sort=policy] button", rows+" td:nth-child(3)"
	unsorted := p.texts(column)
	p.click(header)
	up := p.texts(column)
	if !slices.IsSorted(up) || slices.Equal(up, unsorted) {
		t.Errorf("ascending: %q", up)
	}
	if got := evaluate[string](p, "document.querySelector('th[data-sort=policy]').ariaSort"); got != "ascending" {
		t.Errorf("aria-sort: %q", got)
	}
	p.click(header)
	if down := p.texts(column); !slices.IsSortedFunc(down, func(a, b string) int { return strings.Compare(b, a) }) || p.hash() != "sort=-policy" {
		t.Errorf("descending: %q, and the URL %q", down, p.hash())
	}
	p.click(header)
	if got := p.texts(column); !slices.Equal(got, unsorted) {
		t.Errorf("not sorted again: %q", got)
	}
}

func TestGroup(t *testing.T) {
	file := check(t, shop())
	for group, want := range map[string][]string{"namespace": {"shop", "pay", "(none)"}, "owner": {"team-s", "team-p", "(none)"}} {
		p := open(t, file, "#group="+group)
		if got := p.texts(".group button"); !slices.Equal(got, want) {
			t.Errorf("groups: %q", got)
		}
		before := len(p.texts(rows))
		p.click(".group button")
		if after := len(p.texts(rows)); before == 0 || after >= before || after == 0 {
			t.Errorf("%d rows, and %d with a folded group", before, after)
		}
	}
}

// A link to a finding opens it, whichever group and page it is in.
func TestDeepLink(t *testing.T) {
	file := check(t, many(2000))
	p := open(t, file, "")
	id := evaluate[string](p, "JSON.parse(document.getElementById('data').textContent).findings.length > 1500 ? document.querySelectorAll('tr.finding')[0].id.slice(4) : ''")
	p.click(rows + " button")
	if got := p.hash(); got != "finding="+id {
		t.Fatalf("the URL: %q", got)
	}
	last := evaluate[string](p, "(() => { const d = JSON.parse(document.getElementById('data').textContent); return d.texts[d.findings.at(-1)[1]]; })()")
	for _, hash := range []string{"#finding=" + last, "#group=namespace&finding=" + last} {
		p.navigate(hash)
		detail := p.text("tr.detail")
		for _, want := range []string{"Fix", "Guardrail", "Identity", "<stdin>:", "to this finding"} {
			if !strings.Contains(detail, want) {
				t.Errorf("%s: no %s in the details: %q", hash, want, detail)
			}
		}
		if !evaluate[bool](p, "(() => { const at = document.querySelector('tr.detail').getBoundingClientRect(); return at.top > 0 && at.top < innerHeight; })()") {
			t.Errorf("%s: the details are not in view", hash)
		}
		if len(p.texts(rows)) < 2 {
			t.Errorf("%s: the other findings are gone", hash)
		}
	}
}

// Nothing in an object is more than text, and nothing in the URL is.
func TestHostileNames(t *testing.T) {
	names := []string{
		`</script><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `javascript:alert(1)`, `{{.}}${alert(1)}`,
		`<svg/onload=alert(1)>`, `<!--<script>`, "\u202eeman", `__proto__`, `constructor`,
	}
	var manifests strings.Builder
	for _, name := range names {
		manifests.WriteString(deployment(name, name, name+"/image"))
	}
	file := check(t, manifests.String())
	p := open(t, file, "")
	shown := strings.Join(p.subjects(), "\n")
	for _, name := range names {
		if !strings.Contains(shown, strings.ReplaceAll(name, "\u202e", "\ufffd")) {
			t.Errorf("%s is not shown:\n%s", name, shown)
		}
	}
	p.click(rows + " button")
	for _, group := range []string{"namespace", "owner", "policy"} {
		p.choose("group", group)
		if len(p.texts(".group")) == 0 {
			t.Errorf("no groups by %s", group)
		}
	}
	for _, name := range names {
		p.choose("namespace", "="+strings.ReplaceAll(name, "\u202e", "\ufffd"))
		if len(p.texts(rows)) == 0 {
			t.Errorf("no rows in the namespace %s", name)
		}
	}
	for _, hash := range []string{"#q=<img src=x onerror=alert(1)>", "#policy=</script><script>alert(1)</script>", "#namespace=__proto__&group=__proto__&sort=constructor&page=1e99&finding=%00", "#%"} {
		p.navigate(hash)
		p.text("#status")
	}
	if n := evaluate[int](p, `document.querySelectorAll("img, iframe, object, embed, [onerror], [onload], [onmouseover], a[href^=javascript]").length + document.scripts.length`); n != 2 {
		t.Errorf("there are %d elements besides the two scripts", n-2)
	}
}

// The page stays small, however many findings there are.
func TestManyFindings(t *testing.T) {
	file := check(t, many(20000))
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, file, "")
	t.Logf("%d bytes; %s", info.Size(), p.text("#status"))
	if n := evaluate[int](p, "JSON.parse(document.getElementById('data').textContent).findings.length"); n < 20000 {
		t.Fatalf("only %d findings", n)
	}
	small := func(what string) {
		t.Helper()
		if n, elements := len(p.texts("#findings tbody tr")), evaluate[int](p, "document.querySelectorAll('*').length"); n == 0 || n > 101 || elements > 5000 {
			t.Errorf("%s: %d rows, %d elements", what, n, elements)
		}
	}
	small("at first")
	p.screenshot("many-1280")
	p.click("#pages button:last-child")
	small("page 2")
	if !strings.HasPrefix(p.text("#pages span"), "Page 2 of ") || p.hash() != "page=2" {
		t.Errorf("%q, and the URL %q", p.text("#pages span"), p.hash())
	}
	p.search("web-9999")
	if got := p.subjects(); len(got) != 1 || !strings.Contains(got[0], "web-9999") {
		t.Errorf("the search finds %q", got)
	}
	p.click("button[type=reset]")
	p.choose("group", "namespace")
	small("groups")
	p.click(".group button")
	small("an open group")
	p.screenshot("groups-1280")
	p.click("th[data-sort=subject] button")
	small("sorted")
	logTimes(t, p)
}

// logTimes logs how long the page takes. It asserts nothing: machines differ.
func logTimes(t *testing.T, p *page) {
	p.navigate("")
	script := `(() => {
		const input = document.querySelector("input[type=search]"), times = [];
		for (const text of ["w", "we", "web", "web-", "web-7", ""]) {
			const before = performance.now();
			input.value = text;
			input.dispatchEvent(new Event("input"));
			times.push(performance.now() - before);
		}
		return times.map((ms) => Math.round(ms));
	})()`
	t.Logf("milliseconds for each key of a search: %v", evaluate[[]int](p, script))
	t.Logf("milliseconds from navigation to the first table: %d", evaluate[int](p, `Math.round(performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd)`))
}

// Without scripts, as in the preview of a mail program, the page still lists findings with how to fix them.
func TestWithoutScripts(t *testing.T) {
	p := open(t, check(t, many(1000)), "")
	p.run(p.call(emulation.SetScriptExecutionDisabled.Method, emulation.SetScriptExecutionDisabledParams{Value: true}))
	p.navigate("")
	html, err := chromedp.Run(p.ctx, chromedp.OuterHTML(chromedp.CSS("#findings")))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(html, "Fix: "); n != 200 {
		t.Errorf("%d findings", n)
	}
	status, err := chromedp.Run(p.ctx, chromedp.TextContent(chromedp.CSS("#status")))
	if err != nil || !strings.Contains(status, "the first 200") {
		t.Errorf("%q, %v", status, err)
	}
}

func TestKeyboard(t *testing.T) {
	p := open(t, check(t, shop()), "")
	press := func(keys string) {
		t.Helper()
		p.run(chromedp.KeyEvent(keys))
	}
	focused := func() string { return evaluate[string](p, "document.activeElement.innerText ?? ''") }
	press(kb.Tab)
	if got := focused(); got != "Skip to the findings" {
		t.Fatalf("the first stop: %q", got)
	}
	press(kb.Enter)
	for range 6 { // the headers are buttons
		press(kb.Tab)
	}
	if !evaluate[bool](p, "document.activeElement.matches('tr.finding button')") {
		t.Fatalf("the stop after the headers: %q", focused())
	}
	press(kb.Enter)
	if !evaluate[bool](p, "document.activeElement.ariaExpanded === 'true'") || len(p.texts("tr.detail")) != 1 {
		t.Error("Enter did not open the finding, or lost the focus")
	}
	press(" ")
	if !evaluate[bool](p, "document.activeElement.ariaExpanded === 'false'") || len(p.texts("tr.detail")) != 0 {
		t.Error("the space bar did not close the finding, or lost the focus")
	}
}

// Whatever replaces the rows, the focus stays where it was, or goes where the reader is taken.
func TestFocusStays(t *testing.T) {
	p := open(t, check(t, shop()), "")
	is := func(what, selector string) {
		t.Helper()
		if !evaluate[bool](p, "document.activeElement.matches("+quoted(selector)+")") {
			t.Errorf("%s: the focus is on %q", what, evaluate[string](p, "document.activeElement.outerHTML.slice(0, 100)"))
		}
	}
	p.click(rows + " button")
	id := evaluate[string](p, "document.querySelector('tr.finding').id")
	is("opened", "#"+id+" button")
	evaluate[bool](p, "(document.querySelector('tr.detail a').focus(), document.querySelector('tr.detail a').click(), true)")
	is("the link of the finding that the page shows already", "tr.detail a")
	p.navigate("#finding=" + strings.TrimPrefix(id, "row-"))
	is("a link to a finding", "#"+id+" button")
	evaluate[bool](p, "dispatchEvent(new Event('beforeprint'))")
	evaluate[bool](p, "dispatchEvent(new Event('afterprint'))")
	is("printed", "#"+id+" button")
	p.click(`.bars a[data-value="image-tag"]`)
	is("a bar", "#findings")
	p.choose("group", "namespace")
	p.click(".group button")
	is("a group", ".group button")
	evaluate[bool](p, "(document.querySelector('tr.finding button').focus(), document.querySelector('button[type=reset]').click(), true)")
	is("reset", "tr.finding button")
}

// The form is not printed, so the line above the table names what it selects.
func TestPrintNamesTheFilters(t *testing.T) {
	p := open(t, check(t, shop()), "#policy=image-tag&namespace=pay&q=api")
	before := p.text("#status")
	evaluate[bool](p, "dispatchEvent(new Event('beforeprint'))")
	if got := p.text("#status"); !strings.HasPrefix(got, before) || !strings.HasSuffix(got, `; selected by search "api", policy image-tag, namespace pay`) {
		t.Errorf("%q", got)
	}
	evaluate[bool](p, "dispatchEvent(new Event('afterprint'))")
	if got := p.text("#status"); got != before {
		t.Errorf("after printing: %q", got)
	}
}

func TestPrint(t *testing.T) {
	p := open(t, check(t, many(400)), "")
	all := evaluate[int](p, "JSON.parse(document.getElementById('data').textContent).findings.length")
	evaluate[bool](p, "dispatchEvent(new Event('beforeprint'))")
	p.media("print", "dark")
	if n := len(p.texts("tr.detail")); n != min(all, 1000) {
		t.Errorf("the details of %d of %d findings are printed", n, all)
	}
	for _, selector := range []string{"#filters", "#pages", ".skip"} {
		if evaluate[string](p, "getComputedStyle(document.querySelector("+quoted(selector)+")).display") != "none" {
			t.Errorf("%s is printed", selector)
		}
	}
	if got := evaluate[string](p, "getComputedStyle(document.body).backgroundColor"); got != "rgb(255, 255, 255)" {
		t.Errorf("the paper is %s", got)
	}
	p.screenshot("print")
	evaluate[bool](p, "dispatchEvent(new Event('afterprint'))")
	if n := len(p.texts("tr.detail")); n != 0 {
		t.Errorf("%d details after printing", n)
	}
}

// A report without findings has no table, and no script.
func TestNoFindings(t *testing.T) {
	p := open(t, check(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: shop}\n"), "")
	if got := p.text("main"); !strings.Contains(got, "There are no findings.") {
		t.Errorf("%q", got)
	}
}

func TestAppearance(t *testing.T) {
	file := check(t, appearance())
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			p := open(t, file, "")
			p.media("", scheme)
			p.resize(width, 900)
			name := scheme + "-" + strconv.FormatInt(width, 10)
			p.screenshot(name)
			p.click(rows + " button")
			p.choose("group", "policy")
			evaluate[bool](p, "(document.getElementById('heading').scrollIntoView(), true)")
			p.screenshot(name + "-findings")
			if w := evaluate[int64](p, "document.documentElement.scrollWidth"); w > width {
				t.Errorf("%s: the page is %d pixels wide", name, w)
			}
			for _, faint := range evaluate[[]string](p, faintTexts) {
				t.Errorf("%s: the contrast of %s", name, faint)
			}
		}
	}
}
