// The tests of what browsers show, in a real one. Apart from the main module, which must not depend on what
// drives a browser: they run the program and open what it writes.
module taffrail.dev/test/browser

go 1.26.0

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
)

require github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
