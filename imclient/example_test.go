package imclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"

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
		"portrait_get":        `{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","UserProfileItem":[{"To_Account":"ann","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Ann"}],"ResultCode":0,"ResultInfo":""}]}`,
	}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, answers[path.Base(r.URL.Path)])
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
