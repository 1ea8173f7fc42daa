package iam_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/iam"
)

const servicePath = "github.com/aws/aws-sdk-go-v2/service/"

// clients are those of the services that the code may call.
var clients = map[string]reflect.Type{
	"dynamodb": reflect.TypeFor[*dynamodb.Client](), "healthlake": reflect.TypeFor[*healthlake.Client](),
	"s3": reflect.TypeFor[*s3.Client](), "sts": reflect.TypeFor[*sts.Client](),
	"cognitoidentityprovider": reflect.TypeFor[*cognito.Client](),
}

// actions are what each call of a service needs, by the Service Authorization
// Reference; calls that it does not list need the action of their own name.
var actions = map[string][]string{
	"sts:GetCallerIdentity":                {}, // needs none
	"cognitoidentityprovider:InitiateAuth": {}, // is not signed

	"s3:HeadBucket": {"s3:ListBucket"}, "s3:ListObjectsV2": {"s3:ListBucket"}, "s3:ListObjectVersions": {"s3:ListBucketVersions"},
	"s3:ListMultipartUploads": {"s3:ListBucketMultipartUploads"}, "s3:HeadObject": {"s3:GetObject"},
	"s3:GetObject": {"s3:GetObject", "s3:GetObjectVersion"}, "s3:CreateMultipartUpload": {"s3:PutObject"}, "s3:UploadPart": {"s3:PutObject"},
	"s3:CompleteMultipartUpload": {"s3:PutObject"}, "s3:DeleteObjects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
	"s3:GetBucketLifecycleConfiguration": {"s3:GetLifecycleConfiguration"}, "s3:GetBucketEncryption": {"s3:GetEncryptionConfiguration"},
	"s3:GetObjectLockConfiguration": {"s3:GetBucketObjectLockConfiguration"}, "s3:GetPublicAccessBlock": {"s3:GetBucketPublicAccessBlock"},
}

// TestEveryCallIsAllowed: whoever adds a call of AWS must say which action it needs,
// and in which policy that stands.
func TestEveryCallIsAllowed(t *testing.T) {
	p := iam.For(load(t, everything, nil), "")
	calls := sdkCalls(t)
	rest, told := restCalls(t)
	if len(calls) < 25 || len(rest) < 5 {
		t.Fatalf("only %d and %d calls were found", len(calls), len(rest))
	}
	for _, op := range rest {
		needed := namedAction.FindAllString(told[op], -1)
		if len(needed) == 0 {
			t.Errorf("%q is done: say in sinks/healthlake/errors.go which action it needs", op)
		}
		for _, action := range needed {
			if !allows(p.Operator, action) {
				t.Errorf("%s needs %s, which the operator's policy does not allow", op, action)
			}
		}
	}
	for _, call := range calls {
		needed, listed := actions[call]
		service, _, isCall := strings.Cut(call, ":")
		switch {
		case !listed && isCall && clients[service] != nil:
			needed = []string{call}
		case !listed:
			t.Errorf("%q is called: say here which action it needs", call)
		}
		for _, action := range needed {
			if !allows(p.Operator, action) && !allows(p.Clean, action) {
				t.Errorf("%s is called, but %s is allowed by no policy", call, action)
			}
		}
	}
}

// product calls f for each file of the product.
func product(t *testing.T, f func(path string, file *ast.File)) {
	t.Helper()
	const root = "../../.."
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name == "bench" || strings.HasSuffix(name, "test") || name == "testdata" || strings.HasPrefix(name, ".") && len(name) > 2):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil {
			f(path, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sdkCalls finds service:Operation: any call, in a file that imports a service, of
// a method of the name of one of its client's.
func sdkCalls(t *testing.T) []string {
	found := map[string]bool{}
	product(t, func(path string, file *ast.File) {
		var services []string
		for _, spec := range file.Imports {
			if service, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), servicePath); ok && !strings.Contains(service, "/") {
				if clients[service] == nil {
					t.Errorf("%s calls %s, which no policy knows", path, service)
				}
				services = append(services, service)
			}
		}
		ast.Inspect(file, func(node ast.Node) bool {
			selected, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			// A method, or the input of one that a paginator calls.
			op := strings.TrimSuffix(selected.Sel.Name, "Input")
			for _, service := range services {
				if isOperation(service, op) {
					found[service+":"+op] = true
				}
			}
			return true
		})
	})
	return slices.Sorted(maps.Keys(found))
}

// isOperation tells whether a client has a method of an operation: one that takes a
// context, an input, and options.
func isOperation(service, op string) bool {
	client := clients[service]
	if client == nil {
		return false
	}
	method, ok := client.MethodByName(op)
	return ok && method.Type.NumIn() == 4 && strings.HasSuffix(method.Type.In(2).String(), "."+op+"Input")
}

var namedAction = regexp.MustCompile(`\b(?:dynamodb|healthlake|iam|kms|s3):[A-Z][A-Za-z]+`)

// TestEveryHintIsAllowed: what an error tells the operator to allow, a policy allows.
func TestEveryHintIsAllowed(t *testing.T) {
	p := iam.For(load(t, everything, nil), "")
	found := map[string]bool{}
	product(t, func(path string, file *ast.File) {
		if strings.Contains(filepath.ToSlash(path), "cmd/fhirhose/iam/") {
			return
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if text, ok := node.(*ast.BasicLit); ok && text.Kind == token.STRING {
				for _, action := range namedAction.FindAllString(text.Value, -1) {
					found[action] = true
				}
			}
			return true
		})
	})
	if len(found) < 15 {
		t.Fatalf("only %d actions are named", len(found))
	}
	for action := range found {
		if !allows(p.Operator, action) && !allows(p.Clean, action) && !allows(p.Role, action) {
			t.Errorf("a hint names %s, which no policy allows", action)
		}
	}
}

var (
	restCall  = regexp.MustCompile(`^[a-z ]+ (of|to) data store$`)
	elsewhere = []string{"find the region of data store"} // in the settings
)

// restCalls finds what sinks/healthlake says that it asks of a data store, the
// operations in its errors, and which action it tells the operator to allow for it.
func restCalls(t *testing.T) (calls []string, told map[string]string) {
	found, told := map[string]bool{}, map[string]string{}
	product(t, func(path string, file *ast.File) {
		if !strings.Contains(filepath.ToSlash(path), "sinks/healthlake/") {
			return
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch it := node.(type) {
			case *ast.KeyValueExpr:
				if op := plain(it.Key); restCall.MatchString(op) {
					told[op] = plain(it.Value)
				}
			case *ast.BasicLit:
				if op := plain(it); restCall.MatchString(op) && !slices.Contains(elsewhere, op) {
					found[op] = true
				}
			}
			return true
		})
	})
	return slices.Sorted(maps.Keys(found)), told
}

// plain is the text of a literal, or "".
func plain(node ast.Expr) string {
	if text, ok := node.(*ast.BasicLit); ok && text.Kind == token.STRING {
		return strings.Trim(text.Value, "\"`")
	}
	return ""
}
