package awsconfig

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
)

// Code returns the code of the AWS error that err wraps, "" if there is none, or
// none of the list. A server may put anything there, and codes reach logs and errors
// (I10): so the list is closed.
func Code(err error) string {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	code := api.ErrorCode()
	if _, throttle := retry.DefaultThrottleErrorCodes[code]; throttle || codes[code] {
		return code
	}
	return ""
}

// codes are those of S3, DynamoDB, HealthLake, Cognito, KMS and STS as they are
// documented, and those of what stands in front of them.
var codes = func() map[string]bool {
	known := map[string]bool{}
	for code := range strings.FieldsSeq(`
		AccessControlListNotSupported AccessDenied AccountProblem AllAccessDisabled AuthorizationHeaderMalformed
		AuthorizationQueryParametersError BadDigest BadRequest BucketAlreadyExists BucketAlreadyOwnedByYou BucketNotEmpty
		ConditionalRequestConflict ConnectionClosedByRequester CredentialsNotSupported CrossLocationLoggingProhibited
		EntityTooLarge EntityTooSmall ExpiredToken Forbidden IdempotencyException IllegalLocationConstraintException
		IllegalVersioningConfigurationException IncompleteBody IncorrectNumberOfFilesInPostRequest InlineDataTooLarge
		InternalError InternalFailure InvalidAccessKeyId InvalidAddressingHeader InvalidArgument InvalidBucketName
		InvalidBucketState InvalidDigest InvalidEncryptionAlgorithmError InvalidLocationConstraint InvalidObjectState
		InvalidPart InvalidPartNumber InvalidPartOrder InvalidPayer InvalidPolicyDocument InvalidRange InvalidRequest
		InvalidSecurity InvalidSOAPRequest InvalidStorageClass InvalidTag InvalidTargetBucketForLogging InvalidToken
		InvalidURI InvalidWriteOffset KeyTooLongError MalformedACLError MalformedPOSTRequest MalformedXML
		MaxMessageLengthExceeded MetadataTooLarge MethodNotAllowed MissingContentLength MissingRequestBodyError
		MissingSecurityHeader MovedPermanently NoSuchBucket NoSuchBucketPolicy NoSuchKey NoSuchLifecycleConfiguration NoSuchObjectLockConfiguration
		NoSuchPublicAccessBlockConfiguration NoSuchTagSet NoSuchUpload NoSuchVersion NotFound NotImplemented NotModified
		NotSignedUp ObjectLockConfigurationNotFoundError OperationAborted OwnershipControlsNotFoundError PermanentRedirect
		PreconditionFailed Redirect RequestExpired RequestHeaderSectionTooLarge RequestInTheFuture RequestIsNotMultiPartContent
		RequestTimeTooSkewed RequestTimeout RestoreAlreadyInProgress ServerSideEncryptionConfigurationNotFoundError
		ServiceUnavailable SignatureDoesNotMatch SlowDown TemporaryRedirect TokenRefreshRequired TooManyBuckets
		TooManyParts UnexpectedContent UnresolvableGrantByEmailAddress UnsupportedSignature UserKeyMustBeSpecified
		XAmzContentChecksumMismatch XAmzContentSHA256Mismatch
		KMS.DisabledException KMS.InvalidKeyUsageException KMS.InvalidStateException KMS.KMSInvalidStateException
		KMS.NotFoundException KMS.AccessDeniedException KMS.UnsupportedOperationException KMS.DependencyTimeoutException
		KMS.KeyUnavailableException KMS.ThrottlingException
		AccessDeniedException ConflictException ExpiredTokenException IncompleteSignature IncompleteSignatureException
		InternalServerError InternalServerException InvalidClientTokenId LimitExceededException InvalidSignatureException
		MissingAuthenticationToken MissingAuthenticationTokenException NotAuthorizedException OptInRequired
		ResourceNotFoundException SerializationException ServiceUnavailableException UnauthorizedException
		UnknownOperationException UnrecognizedClientException UnsupportedOperationException ValidationError
		ValidationException
		ExportConflictException ExportNotFoundException InvalidEndpointException InvalidExportTimeException
		PointInTimeRecoveryUnavailableException TableNotFoundException
		InvalidLambdaResponseException InvalidParameterException InvalidUserPoolConfigurationException
		PasswordResetRequiredException UnexpectedLambdaException UserLambdaValidationException UserNotConfirmedException
		UserNotFoundException`) {
		known[code] = true
	}
	return known
}()
