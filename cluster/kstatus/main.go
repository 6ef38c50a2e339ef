// What the real kstatus says of objects. It is the library by which Flux, and the tools built on it, read conditions;
// the tests hold what the operator writes against it.
//
// One object as JSON on each line of the input; one line of output for each: its status, a tab, the message.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	objects := json.NewDecoder(bufio.NewReader(os.Stdin))
	for objects.More() {
		var text json.RawMessage
		if err := objects.Decode(&text); err != nil {
			log.Fatalf("the input is no JSON: %v", err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			log.Fatalf("an object cannot be read: %v", err)
		}
		result, err := status.Compute(object)
		if err != nil {
			log.Fatalf("%s: %v", object.GetName(), err)
		}
		fmt.Printf("%s\t%s\n", result.Status, result.Message)
	}
}
