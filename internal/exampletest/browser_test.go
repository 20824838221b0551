package exampletest_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// testBrowser drives the page of the browser example as a person would: log in, be seen
// online, be kicked, be refused with the old UserSig, come back with a new one, log out.
func (w *world) testBrowser(t *testing.T) {
	chromium := need(t, "chromium", "chromium", "chromium", "chromium-browser", "google-chrome")
	b := openBrowser(t, chromium)

	b.do("open", chromedp.Navigate("http://"+w.page), chromedp.WaitNotVisible(css("#end")),
		chromedp.SetValue(css("#userid"), "bob"), chromedp.SetValue(css("#names"), "bob nobody"))
	b.do("log in", chromedp.Click(css("#login")), state("connected"))
	b.do("be seen online", item("bob", "Online"), item("nobody", "no such account"))
	b.reads("#accounts", "bob: Online (Web Online)")

	b.do("set a custom status", chromedp.SetValue(css("#custom"), "busy"), chromedp.Click(css("#set")), logged("custom status: busy"))
	b.do("ask", chromedp.Click(css("#ask-form button")), row("bob: Online (Web Online; busy)"))

	b.do("be kicked", chromedp.Click(css(`li[data-userid="bob"] button`)), state("disconnected"), ended("4501"))
	b.reads("#reason", "70052 ")
	b.do("be seen offline", logged("bob was kicked"), item("bob", "Offline"))

	b.do("be refused with the old UserSig", chromedp.Click(css("#old")), ended("4500"), state("disconnected"))
	b.reads("#reason", "70052 ")

	b.do("sign again", chromedp.Click(css("#login")), state("connected"), item("bob", "Online"),
		chromedp.WaitNotVisible(css("#end")))

	b.do("log out", chromedp.Click(css("#logout")), ended("4504"), state("disconnected"), item("bob", "Offline"))

	for _, transport := range []string{"http_stream", "sse"} {
		b.do("open with "+transport, chromedp.Navigate("http://"+w.page+"/?transport="+transport),
			chromedp.SetValue(css("#userid"), "bob"))
		b.do("log in", chromedp.Click(css("#login")), state("connected"))
		b.reads("#state", "bob is logged in on Web over "+transport)
		b.do("log out", chromedp.Click(css("#logout")), ended("4504"))
	}
	b.close()
}

// servePage starts the example's own server at the address that the gateway allows.
func (w *world) servePage(t *testing.T) {
	t.Helper()
	_, port, err := net.SplitHostPort(w.page)
	if err != nil {
		t.Fatal(err)
	}
	line := start(t, filepath.Join(w.dir, "browser"), w.env("PORT="+port), "node", "serve.mjs")
	if line != "listening http="+w.page+"\n" {
		t.Fatalf("the page's server said %q", line)
	}
}

// What the page shows, each as an action that waits for it.
func css(selector string) chromedp.CSS { return chromedp.CSS(selector) }

func state(name string) chromedp.Action[chromedp.Void] {
	return chromedp.WaitVisible(css(`#state[data-state="` + name + `"]`))
}

func item(userID, status string) chromedp.Action[chromedp.Void] {
	return chromedp.WaitVisible(css(`#accounts li[data-userid="` + userID + `"][data-status="` + status + `"]`))
}

func ended(code string) chromedp.Action[chromedp.Void] {
	return visible(`//dl[@id="end"]/dd[@id="code" and text()="` + code + `"]`)
}

func row(text string) chromedp.Action[chromedp.Void] {
	return visible(`//ul[@id="accounts"]/li/span[text()="` + text + `"]`)
}

func logged(text string) chromedp.Action[chromedp.Void] {
	return visible(`//ol[@id="log"]/li[starts-with(text(), "` + text + `")]`)
}

// visible waits for an XPath.
func visible(xpath string) chromedp.Action[chromedp.Void] {
	return chromedp.WaitVisible(xpath)
}

// browser is a tab of a browser of its own.
type browser struct {
	t      *testing.T
	ctx    context.Context
	faults chan []string // what the console complained of, once it is closed
}

func openBrowser(t *testing.T, exe string) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], // they leave out background networking
		chromedp.ExecPath(exe), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()))
	limit, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	allocator, cancelAllocator := chromedp.NewExecAllocator(limit, options...)
	t.Cleanup(cancelAllocator)
	ctx, cancelTab := chromedp.NewContext(allocator)
	t.Cleanup(cancelTab)
	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatalf("start %s: %v", exe, err)
	}
	b := &browser{t: t, ctx: ctx, faults: make(chan []string, 1)}
	messages := chromedp.Console(ctx)
	go func() {
		var faults []string
		for m, err := range messages {
			if err != nil {
				break
			}
			if m.IsException() || m.Type == "error" || m.Type == "warning" {
				faults = append(faults, m.String())
			}
		}
		b.faults <- faults
	}()
	return b
}

// do runs one step, and says what the page tells if it fails or takes too long.
func (b *browser) do(step string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience/2)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		log, _ := chromedp.Run(b.ctx, chromedp.Text(css("#log")))
		b.t.Fatalf("%s: %v; the page tells:\n%s", step, err, log)
	}
}

// reads checks how the text of an element begins.
func (b *browser) reads(selector, want string) {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Text(css(selector)))
	if err != nil || !strings.HasPrefix(strings.TrimSpace(got), want) {
		b.t.Errorf("%s reads %q (%v), want it to begin with %q", selector, got, err, want)
	}
}

// close ends the browser. The console must have had nothing to complain of.
func (b *browser) close() {
	b.t.Helper()
	if err := chromedp.Cancel(b.ctx); err != nil {
		b.t.Errorf("close the browser: %v", err)
	}
	for _, fault := range <-b.faults {
		b.t.Errorf("the console says: %s", fault)
	}
}
