package exampletest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// testChat has two windows talk: ann and bob see what the other writes, and that it is read;
// bob closes the window, and sees once what he missed when he opens it again.
func (w *world) testChat(t *testing.T) {
	chromium := need(t, "chromium", "chromium", "chromium", "chromium-browser", "google-chrome")
	ann, bob := openBrowser(t, chromium), openBrowser(t, chromium)
	address := "http://" + w.page + "/chat.html?user="
	for _, b := range []*browser{ann, bob} { // as wide as a small phone
		b.do("be small", chromedp.EmulateViewport(360, 720))
	}
	ann.do("open", chromedp.Navigate(address+"chat-ann&peer=chat-bob"), state("connected"))
	bob.do("open", chromedp.Navigate(address+"chat-bob&peer=chat-ann"), state("connected"))

	ann.write("Lunch?")
	bob.do("see it", said("theirs", "Lunch?"))
	ann.do("see it read", saidIn("read", "Lunch?"))
	bob.write("At nine")
	ann.do("see the answer", said("theirs", "At nine"))
	bob.do("see it read", saidIn("read", "At nine"))

	bob.do("close", chromedp.Navigate("about:blank"))
	ann.write("Rather at noon")
	ann.write("Is that well?")
	ann.do("see them sent", said("mine", "Is that well?"))
	bob.do("open again", chromedp.Navigate(address+"chat-bob&peer=chat-ann"), state("connected"))
	bob.reads("#missed", "While you were away: 2 messages, ")
	bob.counts(4)
	ann.do("see them read", saidIn("read", "Is that well?"))

	bob.do("take back", chromedp.Click(css(`button[aria-label="Recall: At nine"]`)), saidIn("recalled", "You took a message back."))
	ann.do("see it gone", saidIn("recalled", "chat-bob took a message back."))
	ann.counts(4)
	ann.shot("chat-ann.png")
	bob.shot("chat-bob.png")
	ann.close()
	bob.close()
}

// write sends a message as a person does.
func (b *browser) write(text string) {
	b.t.Helper()
	b.do("write "+text, chromedp.WaitEnabled(css("#send")), chromedp.SetValue(css("#text"), text),
		chromedp.Click(css("#send")), said("mine", text))
}

func said(class, text string) chromedp.Action[chromedp.Void] {
	return visible(`//ol[@id="log"]/li[@class="` + class + `"]/span[text()="` + text + `"]`)
}

func saidIn(state, text string) chromedp.Action[chromedp.Void] {
	return visible(`//ol[@id="log"]/li[@data-state="` + state + `"]/span[text()="` + text + `"]`)
}

// counts checks how many messages are shown, and that none is shown twice or wider than
// the window.
func (b *browser) counts(want int) {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.querySelectorAll("#log > li").length`))
	if err != nil || got != want {
		b.t.Errorf("%d messages are shown (%v), want %d", got, err, want)
	}
	wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`))
	if err != nil || wide {
		b.t.Errorf("the page is wider than the window: %v (%v)", wide, err)
	}
}

// shot saves a picture of the window if MUSTER_SCREENSHOTS names a directory.
func (b *browser) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("MUSTER_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), png, 0o600)
	}
	if err != nil {
		b.t.Errorf("picture %s: %v", name, err)
	}
}
