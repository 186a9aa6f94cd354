/* TIMCloud.h: the original's C functions for user status, as libImSDK of tim-presence has them. C99 and C++11 or newer.
 *
 * For programs that exist already, and for new ones that shall go on to run with either library. What is the same, what
 * differs and what is not there: docs/MIGRATING.md. For a new program that needs only tim-presence, tim_presence.h is the
 * better choice: several clients, results per user, versions, no JSON.
 *
 * Texts are UTF-8. Functions may be called on any thread, before TIMInit, and in callbacks.
 *
 * A function with a TIMCommCallback returns 0 when the call was accepted; its callback, which may be NULL, is then called
 * exactly once, on the one callback thread of the process. Any other return value means that nothing happened and no
 * callback comes. Texts given to callbacks are never NULL and valid only during the call; user_data is handed on untouched.
 *
 * Where is the server? One of these, the first that is there:
 *   - the environment variable TIM_PRESENCE_SERVER, for example tim://status.example.org:7788;
 *   - internal_operation_set_custom_server_info (callExperimentalAPI) before TIMInit;
 *   - "sdk_config_server" in the JSON of TIMInit.
 */
#ifndef TIM_PRESENCE_IMSDK_TIMCLOUD_H
#define TIM_PRESENCE_IMSDK_TIMCLOUD_H

#include <stdbool.h>
#include <stdint.h>

#ifndef TIM_API
#if defined(_WIN32) && !defined(ENABLE_STATIC_LIB)
#define TIM_API __declspec(dllimport)
#elif defined(__GNUC__)
#define TIM_API __attribute__((visibility("default")))
#else
#define TIM_API
#endif
#endif
#ifndef TIM_DECL
#define TIM_DECL TIM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ================================================================================================================
 * Numbers
 * ================================================================================================================ */

/** What functions return. */
enum TIMResult {
    TIM_SUCC = 0,            /**< Accepted: the callback will be called. */
    TIM_ERR_SDKUNINIT = -1,  /**< Never returned: calls before TIMInit are accepted and called back with 6013. */
    TIM_ERR_NOTLOGIN = -2,   /**< Never returned: calls before a login are accepted and called back with 6014. */
    TIM_ERR_JSON = -3,       /**< The text is not the JSON that is asked for. */
    TIM_ERR_PARAM = -4,      /**< An argument is missing or wrong, or 10 000 callbacks wait already. */
    TIM_ERR_CONV = -5,       /**< There is no such conversation: there are none here. */
    TIM_ERR_GROUP = -6       /**< There is no such group: there are none here. */
};

/** What the network-status callback is told. */
enum TIMNetworkStatus {
    kTIMConnected = 0,     /**< The server can be reached. */
    kTIMDisconnected = 1,  /**< The connection was lost; it is being restored. */
    kTIMConnecting = 2,    /**< An attempt to connect begins. */
    kTIMConnectFailed = 3  /**< It failed; code and text say why. The next one follows. */
};

/** What TIMGetLoginStatus returns. */
enum TIMLoginStatus {
    kTIMLoginStatus_Logined = 1,    /**< Somebody is logged in, connected or about to be again. */
    kTIMLoginStatus_Logining = 2,   /**< A login is on its way. */
    kTIMLoginStatus_UnLogined = 3,  /**< Nobody is. */
    kTIMLoginStatus_Logouting = 4   /**< A logout is on its way. */
};

/** Levels of log records. */
enum TIMLogLevel {
    kTIMLog_Off = 0,
    kTIMLog_Test = 1,
    kTIMLog_Verbose = 2,
    kTIMLog_Debug = 3, /**< From here down records may hold user ids. */
    kTIMLog_Info = 4,  /**< What the log callback is told unless TIMSetConfig says otherwise. */
    kTIMLog_Warn = 5,
    kTIMLog_Error = 6, /**< A bug of this library. */
    kTIMLog_Assert = 7
};

/** "user_status_status_type". */
enum TIMUserStatusType {
    kTIMUserStatusType_Unkown = 0,    /**< Could not be learnt. */
    kTIMUserStatusType_Online = 1,    /**< At least one device is connected. */
    kTIMUserStatusType_Offline = 2,   /**< The last one went without a logout. */
    kTIMUserStatusType_UnLogined = 3  /**< All logged out, or never logged in. */
};

/** Kinds of conversations, for functions that are not in tim-presence. */
enum TIMConvType { kTIMConv_Invalid = 0, kTIMConv_C2C = 1, kTIMConv_Group = 2, kTIMConv_System = 3 };

/** Whether messages are received, for functions that are not in tim-presence. */
enum TIMReceiveMessageOpt {
    kTIMRecvMsgOpt_Receive = 0,
    kTIMRecvMsgOpt_Not_Receive = 1,
    kTIMRecvMsgOpt_Not_Notify = 2,
    kTIMRecvMsgOpt_Not_Notify_Except_At = 3
};

/** "friendship_check_friendtype_param_check_type": one's own list, or both. */
enum TIMFriendType { FriendTypeSingle = 0, FriendTypeBoth = 1 };

/** "friendship_check_friendtype_result_relation". Only the first two are given: the other's list is not told. */
enum TIMFriendCheckRelation {
    FriendCheckNoRelation = 0,
    FriendCheckAWithB = 1,
    FriendCheckBWithA = 2,
    FriendCheckBothWay = 3
};

/** "friendship_friend_info_get_result_relation_type". Only the first two are given: the other's list is not told. */
enum TIMFriendshipRelationType {
    kTIMFriendshipRelationType_None = 0,
    kTIMFriendshipRelationType_InMyFriendList = 1,
    kTIMFriendshipRelationType_InOtherFriendList = 2,
    kTIMFriendshipRelationType_BothFriend = 3
};

/* ================================================================================================================
 * Keys of JSON
 * ================================================================================================================ */

/* A TIMUserStatus. */
#define kTIMUserStatusIdentifier "user_status_identifier"       /* text */
#define kTIMUserStatusStatusType "user_status_status_type"      /* number, enum TIMUserStatusType */
#define kTIMUserStatusCustomStatus "user_status_custom_status"  /* text of at most 100 bytes; "" for none */
#define kTIMUserStatusOnlineDevices "user_status_online_devices" /* array of texts: "Linux", "iOS", … */

/* TIMInit: a folder in which this device is remembered (optional); the server; more options of the client, an object. */
#define kTIMSdkConfigConfigFilePath "sdk_config_config_file_path"
#define kTIMSdkConfigServer "sdk_config_server"   /* not in the original */
#define kTIMSdkConfigOptions "sdk_config_options" /* not in the original */

/* TIMSetConfig: what the log callback is told, a number of enum TIMLogLevel. */
#define kTIMSetConfigCallBackLogLevel "set_config_callback_log_level"

/* callExperimentalAPI: an operation, and the server for the next TIMInit. */
#define kTIMRequestInternalOperation "request_internal_operation"
#define kTIMInternalOperationSetCustomServerInfo "internal_operation_set_custom_server_info"
#define kTIMRequestSetCustomServerInfoParam "request_set_custom_server_info_param"
#define kTIMCustomServerInfoLongConnectionAddressArray "longconnection_address_array"
#define kTIMServerAddressIp "server_address_ip"     /* text: an address, a name, or with a scheme: "tims://name" */
#define kTIMServerAddressPort "server_address_port" /* number */

/* ================================================================================================================
 * Callbacks: all on the one callback thread
 * ================================================================================================================ */

/** The result of a call: 0 or a code of docs/ERRORS.md, a text for a person, and JSON or "". */
typedef void (*TIMCommCallback)(int32_t code, const char *desc, const char *json_params, const void *user_data);
/** The connection changed. */
typedef void (*TIMNetworkStatusListenerCallback)(enum TIMNetworkStatus status, int32_t code, const char *desc, const void *user_data);
/** Another login took this one's place, or the backend ended it. Nobody is logged in any more. */
typedef void (*TIMKickedOfflineCallback)(const void *user_data);
/** The UserSig expired. Nobody is logged in any more: log in with a new one. */
typedef void (*TIMUserSigExpiredCallback)(const void *user_data);
/** Users changed: an array of TIMUserStatus. */
typedef void (*TIMUserStatusChangedCallback)(const char *json_user_status_array, const void *user_data);
/** A log record. */
typedef void (*TIMLogCallback)(enum TIMLogLevel level, const char *log, const void *user_data);
/* Of events that do not happen here: never called. There are no profiles and messages; one's own status comes to the user-status
 * callback; a friend list is the backend's, and TIMFriendshipGetFriendProfileList has it as it is. */
typedef void (*TIMSelfInfoUpdatedCallback)(const char *json_user_profile, const void *user_data);
typedef void (*TIMUserInfoChangedCallback)(const char *json_user_info_array, const void *user_data);
typedef void (*TIMExperimentalNotifyCallback)(const char *key, const char *data, const void *user_data);
typedef void (*TIMRecvNewMsgCallback)(const char *json_msg_array, const void *user_data);
typedef void (*TIMOnAddFriendCallback)(const char *json_identifier_array, const void *user_data);
typedef void (*TIMOnDeleteFriendCallback)(const char *json_identifier_array, const void *user_data);
typedef void (*TIMUpdateFriendProfileCallback)(const char *json_friend_profile_update_array, const void *user_data);
typedef void (*TIMFriendAddRequestCallback)(const char *json_friend_add_request_pendency_array, const void *user_data);
typedef void (*TIMFriendApplicationListDeletedCallback)(const char *json_identifier_array, const void *user_data);
typedef void (*TIMFriendApplicationListReadCallback)(const void *user_data);
typedef void (*TIMFriendBlackListAddedCallback)(const char *json_friend_black_added_array, const void *user_data);
typedef void (*TIMFriendBlackListDeletedCallback)(const char *json_identifier_array, const void *user_data);
typedef void (*TIMFriendGroupCreatedCallback)(const char *group_name, const char *json_friend_info_array, const void *user_data);
typedef void (*TIMFriendGroupDeletedCallback)(const char *json_group_name_array, const void *user_data);
typedef void (*TIMFriendGroupNameChangedCallback)(const char *old_name, const char *new_name, const void *user_data);
typedef void (*TIMFriendsAddedToGroupCallback)(const char *group_name, const char *json_friend_info_array, const void *user_data);
typedef void (*TIMFriendsDeletedFromGroupCallback)(const char *group_name, const char *json_friend_id_array, const void *user_data);
/** Stands for the others of these: cast yours to it. Never called. */
typedef void (*TIMUnusedCallback)(void);
/** Never called: its function is refused by what it returns. */
typedef void (*TIMMsgGroupMessageReadMemberListCallback)(const char *json_group_member_array, uint64_t next_seq, bool is_finished, const void *user_data);

/* ================================================================================================================
 * Listeners: may be set at any time; NULL clears. A call that runs goes on.
 * ================================================================================================================ */

TIM_API void TIMSetNetworkStatusListenerCallback(TIMNetworkStatusListenerCallback cb, const void *user_data);
TIM_API void TIMSetKickedOfflineCallback(TIMKickedOfflineCallback cb, const void *user_data);
TIM_API void TIMSetUserSigExpiredCallback(TIMUserSigExpiredCallback cb, const void *user_data);
/** Told of oneself, of subscribed users, and of friends while the app's switch for that is on. */
TIM_API void TIMSetUserStatusChangedCallback(TIMUserStatusChangedCallback cb, const void *user_data);
/** Told from the level on that TIMSetConfig has set. */
TIM_API void TIMSetLogCallback(TIMLogCallback cb, const void *user_data);

/* ================================================================================================================
 * Life cycle
 * ================================================================================================================ */

/** Starts the SDK. A second one before TIMUninit changes nothing.
 *
 *  @param sdk_app_id       The app; not 0.
 *  @param json_sdk_config  A JSON object, "{}" at least; see the keys above. Others are passed over.
 *  @return 0; TIM_ERR_PARAM for no app, NULL or ""; TIM_ERR_JSON. */
TIM_API int TIMInit(uint64_t sdk_app_id, const char *json_sdk_config);

/** Ends the SDK; the user's other devices see a lost connection, not a logout. What waits is called back with 7009: before
 *  this returns, unless it is called in a callback or a callback takes longer than a second.
 *
 *  @return 0. */
TIM_API int TIMUninit(void);

/** The version of this library, or what the environment variable TIM_PRESENCE_SDK_VERSION says. Static. */
TIM_API const char *TIMGetSDKVersion(void);

/** The server's clock, seconds since 1970; before the first login this machine's. */
TIM_API uint64_t TIMGetServerTime(void);

/** Takes settings over, and calls back on this thread before it returns, with the same JSON.
 *
 *  @return 0; TIM_ERR_PARAM for NULL or ""; TIM_ERR_JSON. */
TIM_API int TIMSetConfig(const char *json_config, TIMCommCallback cb, const void *user_data);

/** Logs a user in. Called during another login it waits for that one's result. After a success the connection comes back
 *  by itself when it is lost.
 *
 *  Results: 0, also if this user is logged in already; 6013, 6023, 7003, 7009, 7014, 7501 if 16 logins wait already, 9523,
 *  70001, 70003, 70005, 70009, 70013, 70014, 70020, 70050, 70052.
 *  @return 0; TIM_ERR_PARAM for NULL or "". */
TIM_API int TIMLogin(const char *user_id, const char *user_sig, TIMCommCallback cb, const void *user_data);

/** Logs the user out. Results: 0, also if nobody is logged in; 6013, 7009. */
TIM_API int TIMLogout(TIMCommCallback cb, const void *user_data);

/** Writes who is logged in, or "".
 *
 *  @param user_id_buffer  At least 128 bytes.
 *  @return 0; TIM_ERR_PARAM for NULL. */
TIM_API int TIMGetLoginUserID(char *user_id_buffer);

/** Whether somebody is logged in. At once, on any thread. */
TIM_API enum TIMLoginStatus TIMGetLoginStatus(void);

/** Operations named in JSON. internal_operation_set_custom_server_info, _set_ui_platform and _write_log are accepted and
 *  not called back; _set_ignore_repeat_login is called back with 0; the others that are known with 7013.
 *
 *  @return 0; TIM_ERR_PARAM for NULL; TIM_ERR_JSON for what is no known operation. */
TIM_API int callExperimentalAPI(const char *json_param, TIMCommCallback cb, const void *user_data);

/* ================================================================================================================
 * User status. Results of all: 6013 before TIMInit, 6014 without a login, 6017 and 6027 for arguments, 7008 when called
 * too often, 7009, 7013 without the plan, 9508, 9523, 72001 when it is switched off.
 * ================================================================================================================ */

/** Asks for the status of up to 500 users: ["user1","user2"]. Called back with an array of TIMUserStatus of those that
 *  exist, and with 70107 and "[]" if none does.
 *
 *  @return 0; TIM_ERR_PARAM for NULL or "". */
TIM_API int TIMGetUserStatus(const char *json_identifier_array, TIMCommCallback cb, const void *user_data);

/** Sets the own custom status: {"user_status_custom_status":"in a meeting"}; "" clears it.
 *
 *  @return 0; TIM_ERR_PARAM for NULL or "". */
TIM_API int TIMSetSelfStatus(const char *json_current_user_status, TIMCommCallback cb, const void *user_data);

/** Subscribes to the changes of up to 100 users. A user has at most 200 subscriptions; past that the oldest go.
 *
 *  @return 0; TIM_ERR_PARAM for NULL or "". */
TIM_API int TIMSubscribeUserStatus(const char *json_identifier_array, TIMCommCallback cb, const void *user_data);

/** Ends subscriptions to up to 100 users; NULL, "" or "[]": all. */
TIM_API int TIMUnsubscribeUserStatus(const char *json_identifier_array, TIMCommCallback cb, const void *user_data);

/* ================================================================================================================
 * Friends, to read: friend lists are the backend's.
 * ================================================================================================================ */

/** Called back with an array of FriendProfile. */
TIM_API int TIMFriendshipGetFriendProfileList(TIMCommCallback cb, const void *user_data);
/** Called back with an array of FriendsInfo for an array of ids. */
TIM_API int TIMFriendshipGetFriendsInfo(const char *friend_id_list, TIMCommCallback cb, const void *user_data);
/** Called back with an array of results for an array of ids; 7013 if asked for FriendTypeBoth. */
TIM_API int TIMFriendshipCheckFriendType(const char *json_check_friend_list_param, TIMCommCallback cb, const void *user_data);

/* ================================================================================================================
 * Everything else that the original exports, so that programs find it. It is not in tim-presence: the callback is told
 * 7013 and a text that names the function; a place for an id is made ""; callbacks of events are never called. Functions
 * that cannot answer through their callback return TIM_ERR_CONV, TIM_ERR_GROUP or TIM_ERR_PARAM.
 * ================================================================================================================ */

/* ---- begin: made from crates/imsdk/src/unsupported.rs: TIM_UPDATE=1 cargo test -p presence-imsdk ---- */
TIM_API int TIMCheckFollowType(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityCreate(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityCreatePermissionGroupInCommunity(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityGetJoinedPermissionGroupListInCommunity(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityModifyPermissionGroupInfoInCommunity(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunitySetTopicInfo(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvDeleteConversationGroup(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvGetConvInfo(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvGetUnreadMessageCountByFilter(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFollowUser(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipAddFriend(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipAddToBlackList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipCreateFriendGroup(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipDeleteFriend(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipDeleteFriendGroup(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipDeleteFromBlackList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipDeletePendency(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipGetFriendGroupList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipGetPendencyList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipHandleFriendAddRequest(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipModifyFriendGroup(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipModifyFriendProfile(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipSearchFriends(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGetMutualFollowersList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGetMyFollowersList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGetMyFollowingList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGetOfficialAccountsInfo(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGetPinnedGroupMessageList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGetSignalingInfo(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGetUserFollowInfo(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupCreate(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupDelete(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupDeleteMember(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupGetGroupInfoList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupGetMemberInfoList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupGetOnlineMemberCount(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupGetPendencyList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupHandlePendency(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupInviteMember(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupModifyGroupInfo(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupModifyMemberInfo(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupQuit(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupSearchCloudGroupMembers(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupSearchCloudGroups(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupSearchGroupMembers(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupSearchGroups(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupSetTopicInfo(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgBatchSend(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgDownloadMergerMessage(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgFindMessages(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgGetC2CReceiveMessageOpt(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgGetMessageExtensions(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgGetMessageReadReceipts(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgModifyMessage(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgSearchCloudMessages(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgSearchLocalMessages(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgSendMessageReadReceipts(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgSetLocalCustomData(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgSetOfflinePushToken(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMProfileGetUserProfileList(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMProfileModifySelfUserProfile(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMSearchUsers(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMSubscribeOfficialAccount(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMSubscribeUserInfo(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMUnfollowUser(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMUnsubscribeOfficialAccount(const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMUnsubscribeUserInfo(const char *json, TIMCommCallback cb, const void *user_data);

TIM_API int TIMCommunityCreateTopicInCommunity(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityDeletePermissionGroupFromCommunity(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityDeleteTopicFromCommunity(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityGetPermissionGroupListInCommunity(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityGetTopicInfoList(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvAddConversationsToGroup(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvCreateConversationGroup(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvDeleteConversationsFromGroup(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvRenameConversationGroup(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvSetConversationCustomData(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupCreateTopicInCommunity(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupDeleteGroupAttributes(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupDeleteTopicFromCommunity(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupGetGroupAttributes(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupGetGroupCounters(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupGetTopicInfoList(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupInitGroupAttributes(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupJoin(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupSetGroupAttributes(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupSetGroupCounters(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgAddMessageReaction(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgConvertVoiceToText(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgDeleteMessageExtensions(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgDownloadElemToPath(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgRemoveMessageReaction(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgSetMessageExtensions(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMSignalingAccept(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMSignalingCancel(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMSignalingModifyInvitation(const char *a, const char *b, TIMCommCallback cb, const void *user_data);
TIM_API int TIMSignalingReject(const char *a, const char *b, TIMCommCallback cb, const void *user_data);

TIM_API int TIMCommunityGetJoinedCommunityList(TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvGetConvList(TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvGetConversationGroupList(TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvGetTotalUnreadMessageCount(TIMCommCallback cb, const void *user_data);
TIM_API int TIMFriendshipGetBlackList(TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupGetJoinedCommunityList(TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupGetJoinedGroupList(TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgDoForeground(TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgGetAllReceiveMessageOpt(TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgMarkAllMessageAsRead(TIMCommCallback cb, const void *user_data);

TIM_API int TIMMsgCancelSend(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgDelete(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgFindByMsgLocatorList(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgGetMsgList(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgImportMsgList(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgListDelete(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgReportReaded(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgRevoke(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgSaveMsg(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgSendNewMsg(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback cb, const void *user_data);

TIM_API int TIMCommunityAddCommunityMembersToPermissionGroup(const char *a, const char *b, const char *c, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityAddTopicPermissionToPermissionGroup(const char *a, const char *b, const char *c, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityDeleteTopicPermissionFromPermissionGroup(const char *a, const char *b, const char *c, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityGetCommunityMemberListInPermissionGroup(const char *a, const char *b, const char *c, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityGetTopicPermissionInPermissionGroup(const char *a, const char *b, const char *c, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityModifyTopicPermissionInPermissionGroup(const char *a, const char *b, const char *c, TIMCommCallback cb, const void *user_data);
TIM_API int TIMCommunityRemoveCommunityMembersFromPermissionGroup(const char *a, const char *b, const char *c, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgTranslateText(const char *a, const char *b, const char *c, TIMCommCallback cb, const void *user_data);

TIM_API int TIMConvCreate(const char *conv_id, enum TIMConvType conv_type, TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvDelete(const char *conv_id, enum TIMConvType conv_type, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgClearHistoryMessage(const char *conv_id, enum TIMConvType conv_type, TIMCommCallback cb, const void *user_data);

TIM_API int TIMFriendshipReportPendencyReaded(uint64_t time_stamp, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupReportPendencyReaded(uint64_t time_stamp, TIMCommCallback cb, const void *user_data);

TIM_API int TIMMsgDoBackground(uint32_t unread_count, TIMCommCallback cb, const void *user_data);

TIM_API int TIMGroupDecreaseGroupCounter(const char *group_id, const char *key, int64_t value, TIMCommCallback cb, const void *user_data);
TIM_API int TIMGroupIncreaseGroupCounter(const char *group_id, const char *key, int64_t value, TIMCommCallback cb, const void *user_data);

TIM_API int TIMMsgSetC2CReceiveMessageOpt(const char *json, enum TIMReceiveMessageOpt opt, TIMCommCallback cb, const void *user_data);
TIM_API int TIMMsgSetGroupReceiveMessageOpt(const char *json, enum TIMReceiveMessageOpt opt, TIMCommCallback cb, const void *user_data);

TIM_API int TIMMsgSetAllReceiveMessageOpt(enum TIMReceiveMessageOpt opt, int32_t start_hour, int32_t start_minute, int32_t start_second, uint32_t duration, TIMCommCallback cb, const void *user_data);

TIM_API int TIMMsgSetAllReceiveMessageOpt2(enum TIMReceiveMessageOpt opt, uint32_t start_time_stamp, uint32_t duration, TIMCommCallback cb, const void *user_data);

TIM_API int TIMConvCleanConversationUnreadMessageCount(const char *conv_id, uint64_t clean_timestamp, uint64_t clean_sequence, TIMCommCallback cb, const void *user_data);

TIM_API int TIMCommunitySetTopicInheritMessageReceiveOptionFromCommunity(const char *json, bool flag, TIMCommCallback cb, const void *user_data);
TIM_API int TIMConvDeleteConversationList(const char *json, bool flag, TIMCommCallback cb, const void *user_data);

TIM_API int TIMConvGetConversationListByFilter(const char *json, uint64_t next_seq, uint32_t count, TIMCommCallback cb, const void *user_data);

TIM_API int TIMConvMarkConversation(const char *json, uint64_t mark_type, bool enable_mark, TIMCommCallback cb, const void *user_data);

TIM_API int TIMConvPinConversation(const char *conv_id, enum TIMConvType conv_type, bool is_pinned, TIMCommCallback cb, const void *user_data);

TIM_API int TIMPinGroupMessage(const char *group_id, const char *json, bool is_pinned, TIMCommCallback cb, const void *user_data);

TIM_API int TIMGroupMarkGroupMemberList(const char *group_id, const char *json, uint32_t mark_type, bool enable_mark, TIMCommCallback cb, const void *user_data);

TIM_API int TIMMsgGetAllUserListOfMessageReaction(const char *json, const char *reaction_id, uint32_t next_seq, uint32_t count, TIMCommCallback cb, const void *user_data);

TIM_API int TIMMsgGetMessageReactions(const char *json, uint32_t max_user_count_per_reaction, TIMCommCallback cb, const void *user_data);

TIM_API int TIMMsgSendMessage(const char *conv_id, enum TIMConvType conv_type, const char *json, char *message_id_buffer, TIMCommCallback cb, const void *user_data);

TIM_API int TIMMsgSendNewMsgEx(const char *conv_id, enum TIMConvType conv_type, const char *json, TIMCommCallback message_id_cb, TIMCommCallback res_cb, const void *user_data);

TIM_API int TIMSignalingInvite(const char *invitee, const char *data, bool online_user_only, const char *offline_push_info, int timeout, char *invite_id_buffer, TIMCommCallback cb, const void *user_data);

TIM_API int TIMSignalingInviteInGroup(const char *group_id, const char *invitees, const char *data, bool online_user_only, int timeout, char *invite_id_buffer, TIMCommCallback cb, const void *user_data);

TIM_API int TIMMsgGetGroupMessageReadMemberList(const char *json, int filter, uint64_t next_seq, uint32_t count, TIMMsgGroupMessageReadMemberListCallback cb, const void *user_data);

TIM_API int TIMConvSubscribeUnreadMessageCountByFilter(const char *json);
TIM_API int TIMConvUnsubscribeUnreadMessageCountByFilter(const char *json);

TIM_API int TIMConvCancelDraft(const char *conv_id, enum TIMConvType conv_type);

TIM_API int TIMConvSetDraft(const char *conv_id, enum TIMConvType conv_type, const char *json);

TIM_API void TIMAddRecvNewMsgCallback(TIMRecvNewMsgCallback cb, const void *user_data);
TIM_API void TIMSetCommunityAddMembersToPermissionGroupCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityAddTopicPermissionCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityChangePermissionGroupInfoCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityChangeTopicInfoCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityCreatePermissionGroupCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityCreateTopicCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityDeletePermissionGroupCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityDeleteTopicCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityDeleteTopicPermissionCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityModifyTopicPermissionCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityReceiveTopicRESTCustomDataCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetCommunityRemoveMembersFromPermissionGroupCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetConvConversationGroupCreatedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetConvConversationGroupDeletedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetConvConversationGroupNameChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetConvConversationsAddedToGroupCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetConvConversationsDeletedFromGroupCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetConvEventCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetConvTotalUnreadMessageCountChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetConvUnreadMessageCountChangedByFilterCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetExperimentalNotifyCallback(TIMExperimentalNotifyCallback cb, const void *user_data);
TIM_API void TIMSetFriendAddRequestCallback(TIMFriendAddRequestCallback cb, const void *user_data);
TIM_API void TIMSetFriendApplicationListDeletedCallback(TIMFriendApplicationListDeletedCallback cb, const void *user_data);
TIM_API void TIMSetFriendApplicationListReadCallback(TIMFriendApplicationListReadCallback cb, const void *user_data);
TIM_API void TIMSetFriendBlackListAddedCallback(TIMFriendBlackListAddedCallback cb, const void *user_data);
TIM_API void TIMSetFriendBlackListDeletedCallback(TIMFriendBlackListDeletedCallback cb, const void *user_data);
TIM_API void TIMSetFriendGroupCreatedCallback(TIMFriendGroupCreatedCallback cb, const void *user_data);
TIM_API void TIMSetFriendGroupDeletedCallback(TIMFriendGroupDeletedCallback cb, const void *user_data);
TIM_API void TIMSetFriendGroupNameChangedCallback(TIMFriendGroupNameChangedCallback cb, const void *user_data);
TIM_API void TIMSetFriendsAddedToGroupCallback(TIMFriendsAddedToGroupCallback cb, const void *user_data);
TIM_API void TIMSetFriendsDeletedFromGroupCallback(TIMFriendsDeletedFromGroupCallback cb, const void *user_data);
TIM_API void TIMSetGroupAttributeChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetGroupCounterChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetGroupTipsEventCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetGroupTopicChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetGroupTopicCreatedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetGroupTopicDeletedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMsgAllMessageReceiveOptionCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMsgElemUploadProgressCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMsgExtensionsChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMsgExtensionsDeletedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMsgGroupPinnedMessageChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMsgReactionsChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMsgReadedReceiptCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMsgRevokeCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMsgUpdateCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMutualFollowersListChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMyFollowersListChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetMyFollowingListChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetOfficialAccountDeletedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetOfficialAccountInfoChangedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetOfficialAccountSubscribedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetOfficialAccountUnsubscribedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetOnAddFriendCallback(TIMOnAddFriendCallback cb, const void *user_data);
TIM_API void TIMSetOnDeleteFriendCallback(TIMOnDeleteFriendCallback cb, const void *user_data);
TIM_API void TIMSetSelfInfoUpdatedCallback(TIMSelfInfoUpdatedCallback cb, const void *user_data);
TIM_API void TIMSetSignalingInvitationCancelledCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetSignalingInvitationModifiedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetSignalingInvitationTimeoutCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetSignalingInviteeAcceptedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetSignalingInviteeRejectedCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetSignalingReceiveNewInvitationCallback(TIMUnusedCallback cb, const void *user_data);
TIM_API void TIMSetUpdateFriendProfileCallback(TIMUpdateFriendProfileCallback cb, const void *user_data);
TIM_API void TIMSetUserInfoChangedCallback(TIMUserInfoChangedCallback cb, const void *user_data);

TIM_API void TIMRemoveRecvNewMsgCallback(TIMRecvNewMsgCallback cb);

TIM_API int TIMNotifySocketEvent(void);
TIM_API int TIMRegisterEncryptionDelegate(void);
TIM_API int TIMRegisterSocketDelegate(void);
TIM_API int TIMUnregisterEncryptionDelegate(void);
TIM_API int TIMUnregisterSocketDelegate(void);
TIM_API int TIMWriteLog(void);

TIM_API const char *TIMGetVersion(void);

/* ---- end ---- */

#ifdef __cplusplus
}
#endif

#endif /* TIM_PRESENCE_IMSDK_TIMCLOUD_H */
