package imclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"

	"github.com/muster-im/muster/imclient"
)

// exampleService stands for Muster or the hosted service: it gives each command one
// answer.
func exampleService() *httptest.Server {
	answers := map[string]string{
		"account_import":      `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}`,
		"multiaccount_import": `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":["no blanks"]}`,
		"account_check":       `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"UserID":"ann","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},{"UserID":"bob","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}`,
		"kick":                `{"ActionStatus":"FAIL","ErrorCode":70107,"ErrorInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist"}`,
		"query_online_status": `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","QueryResult":[{"To_Account":"ann","Status":"Online","State":"Online","CustomStatus":"busy","Detail":[{"Platform":"Web","Status":"Online","Instid":"5b1f6e0a"}]}],"ErrorList":[{"To_Account":"zoe","ErrorCode":70107}]}`,
		"multi_kick":          `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"ResultCode":0,"ResultInfo":"","UserID":"ann"},{"ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist","UserID":"zoe"}]}`,
		"sendmsg":             `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","MsgTime":1700000000,"MsgKey":"93847636_1287657_1700000000"}`,
		"batchsendmsg":        `{"ActionStatus":"SomeError","ErrorCode":0,"ErrorInfo":"","MsgKey":"28460_19901224_1700000000","ErrorList":[{"To_Account":"zoe","ErrorCode":70107}]}`,
		"admin_getroammsg":    `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Complete":1,"MsgCnt":1,"LastMsgTime":1700000000,"LastMsgKey":"1_2_1700000000","MsgList":[{"From_Account":"ann","To_Account":"bob","MsgSeq":1,"MsgRandom":2,"MsgTimeStamp":1700000000,"MsgFlagBits":0,"IsPeerRead":0,"MsgKey":"1_2_1700000000","MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi, beauty"}}],"CloudCustomData":""}]}`,
		"portrait_get":        `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","UserProfileItem":[{"To_Account":"ann","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Ann"}],"ResultCode":0,"ResultInfo":""}]}`,
	}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, answers[path.Base(r.URL.Path)])
	}))
}

// exampleBulk stands for Muster's bulk commands. It refuses the row that has a blank.
func exampleBulk() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, map[string]string{
			"bulk_import": `{"Row":2,"UserID":"two words","ResultCode":70402,"ResultInfo":"the UserID has the byte 0x20 at 3"}
{"Progress":{"Rows":3,"Created":2,"Existed":0,"Updated":0,"Repeated":0,"Failed":1}}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":3,"Created":2,"Existed":0,"Updated":0,"Repeated":0,"Failed":1}
`,
			"bulk_export": `{"UserID":"ann","TinyID":"144115188075855873","Created":1700000000,"Nick":"Ann"}
{"UserID":"bob","TinyID":"144115188075855874","Created":1700000000}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","Rows":2}
`,
		}[path.Base(r.URL.Path)])
	}))
}

func exampleClient(url string) *imclient.Client {
	c, err := imclient.New(imclient.Options{
		BaseURL:  url, // https://console.tim.qq.com for the hosted service in China
		SDKAppID: 1400000001,
		Key:      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		Admin:    "administrator",
	})
	if err != nil {
		panic(err)
	}
	return c
}

func ExampleNew() {
	service := exampleService()
	defer service.Close()

	c, err := imclient.New(imclient.Options{
		BaseURL:  service.URL,
		SDKAppID: 1400000001,
		Key:      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		Admin:    "administrator",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.AccountImport(context.Background(), imclient.Account{UserID: "ann", Nick: "Ann"})
	fmt.Println(err)
	// Output: <nil>
}

// Options for a service that allows 100 calls a second and is now and then busy.
func ExampleOptions() {
	requests := 0
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			_, _ = io.WriteString(w, `{"ActionStatus":"FAIL","ErrorCode":60008,"ErrorInfo":"request timed out"}`)
			return
		}
		_, _ = io.WriteString(w, `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}`)
	}))
	defer service.Close()

	c, err := imclient.New(imclient.Options{
		BaseURL:  service.URL,
		SDKAppID: 1400000001,
		Key:      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		Admin:    "administrator",
		Rate:     95, // a little less than it allows, for clocks that differ
		Attempts: 6,  // about 3 to 6 seconds of pauses; 1 would leave repetitions to the caller
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.AccountImport(context.Background(), imclient.Account{UserID: "ann"})
	fmt.Println(err, "after", requests, "requests")
	// Output: <nil> after 2 requests
}

// A body that is no file would be written to an io.Pipe, whose reader is the body.
func ExampleClient_BulkImport() {
	service := exampleBulk()
	defer service.Close()
	c := exampleClient(service.URL)

	rows := strings.NewReader(`{"UserID":"ann","Nick":"Ann"}
"two words"
"bob"
`)
	result, err := c.BulkImport(context.Background(), rows, imclient.BulkImportOptions{
		OnFailure:  func(f imclient.BulkFailure) { fmt.Printf("row %d, %q: %s\n", f.Row, f.UserID, f.Info) },
		OnProgress: func(r imclient.BulkResult) { fmt.Println(r.Rows, "rows are decided") }, // to keep, for From
	})
	if err != nil {
		fmt.Println(err, "- go on with From", result.Rows)
		return
	}
	fmt.Println(result.Created, "created,", result.Failed, "failed")
	// Output:
	// row 2, "two words": the UserID has the byte 0x20 at 3
	// 3 rows are decided
	// 2 created, 1 failed
}

func ExampleClient_BulkExport() {
	service := exampleBulk()
	defer service.Close()
	c := exampleClient(service.URL)

	last := "" // to go on from, as After, if the export is cut off
	rows, err := c.BulkExport(context.Background(), imclient.BulkExportOptions{After: last}, func(line []byte) error {
		account, err := imclient.DecodeExported(line)
		if err != nil {
			return err
		}
		last = account.UserID
		fmt.Println(account.UserID, account.TinyID)
		return nil
	})
	fmt.Println(rows, err)
	// Output:
	// ann 144115188075855873
	// bob 144115188075855874
	// 2 <nil>
}

func ExampleClient_MultiAccountImport() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service.URL)

	reply, err := c.MultiAccountImport(context.Background(), imclient.ImportRequest{
		Names: []string{"ann", "bob", "no blanks"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("not imported: %q\n", reply.FailAccounts)
	// Output: not imported: ["no blanks"]
}

func ExampleClient_AccountCheck() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service.URL)

	checked, err := c.AccountCheck(context.Background(), []string{"ann", "bob"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range checked {
		fmt.Println(a.UserID, a.Imported)
	}
	// Output:
	// ann true
	// bob false
}

func ExampleClient_Status() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service.URL)

	reply, err := c.Status(context.Background(), imclient.StatusRequest{
		UserIDs:      []string{"ann", "zoe"},
		Instances:    true,
		CustomStatus: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range reply.Accounts {
		fmt.Println(a.UserID, a.Status, a.CustomStatus)
		for _, d := range a.Devices {
			fmt.Println(" ", d.Platform, d.InstanceID, d.Status)
		}
	}
	for _, a := range reply.Errors {
		fmt.Println(a.UserID, a.Code)
	}
	// Output:
	// ann Online busy
	//   Web 5b1f6e0a Online
	// zoe 70107
}

// KickMany is Muster's; what it does can be done at other services call by call.
func ExampleClient_KickMany() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service.URL)

	results, err := c.KickMany(context.Background(), []string{"ann", "zoe"})
	if e, ok := errors.AsType[*imclient.Error](err); ok && e.Code == 60009 {
		fmt.Println("not Muster; kick them one by one with Kick")
		return
	}
	for _, r := range results {
		fmt.Println(r.UserID, r.Code)
	}
	// Output:
	// ann 0
	// zoe 70107
}

func ExampleClient_SendMessage() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service.URL)

	sent, err := c.SendMessage(context.Background(), "bob", imclient.Message{
		From: "ann", // the admin without it
		Body: []imclient.Element{imclient.Text("hi, beauty")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sent.Key, "at", sent.Time)
	// Output: 93847636_1287657_1700000000 at 1700000000
}

func ExampleClient_SendMessages() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service.URL)

	sent, err := c.SendMessages(context.Background(), []string{"bob", "zoe"}, imclient.Message{
		Body: []imclient.Element{imclient.Text("The office is closed on Friday.")},
	})
	for _, e := range sent.Errors {
		fmt.Println(e.UserID, "got nothing:", e.Code)
	}
	fmt.Println(sent.Key, err)
	// Output:
	// zoe got nothing: 70107
	// 28460_19901224_1700000000 <nil>
}

func ExampleClient_RoamMessages() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service.URL)

	r := imclient.HistoryRequest{Operator: "ann", Peer: "bob", Max: 100, MaxTime: 1700000100}
	for {
		page, err := c.RoamMessages(context.Background(), r)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, m := range page.Messages {
			for _, e := range m.Body {
				text, _ := e.Text()
				fmt.Printf("%s: %s\n", m.From, text)
			}
		}
		if page.Complete {
			return
		}
		r.MaxTime, r.LastKey = page.LastTime, page.LastKey
	}
	// Output: ann: hi, beauty
}

func ExampleClient_PortraitGet() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service.URL)

	reply, err := c.PortraitGet(context.Background(), []string{"ann"}, []string{imclient.TagNick})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range reply.Portraits {
		fmt.Println(p.UserID, p.Items[0].Value)
	}
	// Output: ann Ann
}

func ExampleClient_Call() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service.URL)

	reply, err := c.Call(context.Background(), "im_open_login_svc/account_import", []byte(`{"UserID":"ann"}`))
	fmt.Println(string(reply), err)
	// Output: {"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""} <nil>
}

func ExampleError() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service.URL)

	err := c.Kick(context.Background(), "zoe")
	if e, ok := errors.AsType[*imclient.Error](err); ok && e.Code == 70107 {
		fmt.Println("zoe is not imported")
	}
	// Output: zoe is not imported
}
