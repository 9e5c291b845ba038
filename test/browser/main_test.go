// Package browser_test opens what the program writes for browsers, in a headless Chromium. Where none is
// installed, the tests are skipped and say so.
package browser_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "write screenshots to this `folder`")

// The program and the browser that all tests share.
var (
	program string
	browser context.Context
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := start(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func start(m *testing.M) (int, error) {
	path, found := findBrowser()
	if !found {
		fmt.Println("browser: the tests were left out, as no Chromium is installed: apt-get install chromium-headless-shell")
		return 0, nil
	}
	dir, err := os.MkdirTemp("", "taffrail-browser")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "taffrail")
	build := exec.Command("go", "build", "-o", program, "./cmd/taffrail")
	build.Dir = filepath.Join("..", "..")
	if output, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build: %w\n%s", err, output)
	}
	// Chromium's own sandbox does not work for root, nor in most containers. The pages are those of the tests.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	tab, stop := chromedp.NewContext(allocator)
	defer stop()
	if err := chromedp.Do(tab); err != nil {
		return 0, fmt.Errorf("starting %s: %w", path, err)
	}
	browser = tab
	return m.Run(), nil
}

func findBrowser() (string, bool) {
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}
