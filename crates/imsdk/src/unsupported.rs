//! Every other name that the original exports, so that programs which bind names early or late find it. None of it is
//! in tim-presence, and each says so: a function with a result callback is answered there with 7013 and a text that names
//! it, whatever its arguments and whatever the state, for no state would change it. One without such a callback refuses by
//! what it returns. Callbacks of events that never happen are never called.
//!
//! One table: shape of the arguments, then names. `include/imsdk/TIMCloud.h` has a section made from it; a test compares.
#![allow(non_snake_case, reason = "the original's names")]

use std::ffi::{c_char, c_int, c_void};

use presence_protocol::errors::code;

use crate::answer::{Answer, Empty};
use crate::exports::TIMGetSDKVersion;
use crate::guard::{CommCallback, Reply, call, guarded, result};
use crate::listeners::log_level;
use crate::process::process;
use crate::sdk::{self, answer};

/// JSON or another text.
type Text = *const c_char;
/// An enum of the original.
type Enum = c_int;
/// The original's `bool` in C.
type Bool = u8;
/// A place for a text; made empty.
type Out = *mut c_char;
/// A callback that is never called.
type Unused = *const c_void;

/// Answers for a function that does not exist.
fn refuse(name: &str, cb: CommCallback, user_data: *const c_void) -> c_int {
    call(|| {
        let text = format!("{name}: not in tim-presence, which has user status only");
        answer(
            Reply::new(cb, user_data),
            Answer::failure(code::INTERFACE_NOT_SUPPORTED, text, Empty::Nothing),
        )
    })
}

/// Makes the text that a function would have written the empty one.
///
/// # Safety
/// NULL, or a place for at least one byte, as the function documents it.
unsafe fn empty(out: Out) {
    if !out.is_null() {
        // SAFETY: the caller's.
        unsafe { out.write(0) };
    }
}

/// For a function that cannot answer: says so in the log.
fn note(name: &str) {
    guarded((), || {
        sdk::log(
            process(),
            log_level::WARN,
            &format!("{name}: not in tim-presence, which has user status only"),
        );
    });
}

/// A function that is answered through its callback, with these arguments before it.
macro_rules! answered {
    ($name:ident $(, $argument:ty)*) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($(_: $argument,)* cb: CommCallback, user_data: *const c_void) -> c_int {
            refuse(stringify!($name), cb, user_data)
        }
    };
}

/// The same with a text to write, which is the last argument but the callback.
macro_rules! answered_with_out {
    ($name:ident $(, $argument:ty)*) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($(_: $argument,)* out: Out, cb: CommCallback, user_data: *const c_void) -> c_int {
            // SAFETY: the caller passes NULL or a place for the text.
            unsafe { empty(out) };
            refuse(stringify!($name), cb, user_data)
        }
    };
}

/// A function without a callback that could say so: what it returns does.
macro_rules! refused {
    ($name:ident, $code:ident $(, $argument:ty)*) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($(_: $argument),*) -> c_int {
            note(stringify!($name));
            result::$code
        }
    };
}

/// One function of a shape.
macro_rules! shaped {
    (json $name:ident) => {
        answered!($name, Text);
    };
    (json_json $name:ident) => {
        answered!($name, Text, Text);
    };
    (nothing $name:ident) => {
        answered!($name);
    };
    (json_conv_json $name:ident) => {
        answered!($name, Text, Enum, Text);
    };
    (json_json_json $name:ident) => {
        answered!($name, Text, Text, Text);
    };
    (json_conv $name:ident) => {
        answered!($name, Text, Enum);
    };
    (u64 $name:ident) => {
        answered!($name, u64);
    };
    (u32 $name:ident) => {
        answered!($name, u32);
    };
    (json_json_i64 $name:ident) => {
        answered!($name, Text, Text, i64);
    };
    (json_opt $name:ident) => {
        answered!($name, Text, Enum);
    };
    (opt_time $name:ident) => {
        answered!($name, Enum, i32, i32, i32, u32);
    };
    (opt_period $name:ident) => {
        answered!($name, Enum, u32, u32);
    };
    (json_u64_u64 $name:ident) => {
        answered!($name, Text, u64, u64);
    };
    (json_bool $name:ident) => {
        answered!($name, Text, Bool);
    };
    (json_u64_u32 $name:ident) => {
        answered!($name, Text, u64, u32);
    };
    (json_u64_bool $name:ident) => {
        answered!($name, Text, u64, Bool);
    };
    (json_conv_bool $name:ident) => {
        answered!($name, Text, Enum, Bool);
    };
    (json_json_bool $name:ident) => {
        answered!($name, Text, Text, Bool);
    };
    (json_json_u32_bool $name:ident) => {
        answered!($name, Text, Text, u32, Bool);
    };
    (json_json_u32_u32 $name:ident) => {
        answered!($name, Text, Text, u32, u32);
    };
    (json_u32 $name:ident) => {
        answered!($name, Text, u32);
    };
    (send_out $name:ident) => {
        answered_with_out!($name, Text, Enum, Text);
    };
    // The first callback would be told the id of a message that is none.
    (send_two $name:ident) => {
        answered!($name, Text, Enum, Text, Unused);
    };
    (invite $name:ident) => {
        answered_with_out!($name, Text, Text, Bool, Text, c_int);
    };
    (invite_group $name:ident) => {
        answered_with_out!($name, Text, Text, Text, Bool, c_int);
    };
    // Its callback has no place for a code.
    (read_members $name:ident) => {
        refused!($name, ERR_GROUP, Text, Enum, u64, u32, Unused, Unused);
    };
    (unheard_json $name:ident) => {
        refused!($name, ERR_CONV, Text);
    };
    (unheard_json_conv $name:ident) => {
        refused!($name, ERR_CONV, Text, Enum);
    };
    (unheard_json_conv_json $name:ident) => {
        refused!($name, ERR_CONV, Text, Enum, Text);
    };
    (never_called $name:ident) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(_: Unused, _: *const c_void) {}
    };
    (never_called_removed $name:ident) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(_: Unused) {}
    };
    // Exported by the original and declared nowhere: the arguments are unknown, so none is touched.
    (unknown $name:ident) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> c_int {
            note(stringify!($name));
            result::ERR_PARAM
        }
    };
    (unknown_version $name:ident) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> *const c_char {
            TIMGetSDKVersion()
        }
    };
}

macro_rules! unsupported {
    ($($shape:ident: $($name:ident)+;)+) => {
        $($(shaped!($shape $name);)+)+

        /// Shape and name of each.
        #[cfg(test)]
        const TABLE: &[(&str, &[&str])] = &[$((stringify!($shape), &[$(stringify!($name)),+]),)+];
    };
}

unsupported! {
    json:
        TIMCheckFollowType TIMCommunityCreate TIMCommunityCreatePermissionGroupInCommunity
        TIMCommunityGetJoinedPermissionGroupListInCommunity
        TIMCommunityModifyPermissionGroupInfoInCommunity TIMCommunitySetTopicInfo
        TIMConvDeleteConversationGroup TIMConvGetConvInfo TIMConvGetUnreadMessageCountByFilter
        TIMFollowUser TIMFriendshipAddFriend TIMFriendshipAddToBlackList TIMFriendshipCreateFriendGroup
        TIMFriendshipDeleteFriend TIMFriendshipDeleteFriendGroup TIMFriendshipDeleteFromBlackList
        TIMFriendshipDeletePendency TIMFriendshipGetFriendGroupList TIMFriendshipGetPendencyList
        TIMFriendshipHandleFriendAddRequest TIMFriendshipModifyFriendGroup
        TIMFriendshipModifyFriendProfile TIMFriendshipSearchFriends TIMGetMutualFollowersList
        TIMGetMyFollowersList TIMGetMyFollowingList TIMGetOfficialAccountsInfo
        TIMGetPinnedGroupMessageList TIMGetSignalingInfo TIMGetUserFollowInfo TIMGroupCreate
        TIMGroupDelete TIMGroupDeleteMember TIMGroupGetGroupInfoList TIMGroupGetMemberInfoList
        TIMGroupGetOnlineMemberCount TIMGroupGetPendencyList TIMGroupHandlePendency TIMGroupInviteMember
        TIMGroupModifyGroupInfo TIMGroupModifyMemberInfo TIMGroupQuit TIMGroupSearchCloudGroupMembers
        TIMGroupSearchCloudGroups TIMGroupSearchGroupMembers TIMGroupSearchGroups TIMGroupSetTopicInfo
        TIMMsgBatchSend TIMMsgDownloadMergerMessage TIMMsgFindMessages TIMMsgGetC2CReceiveMessageOpt
        TIMMsgGetMessageExtensions TIMMsgGetMessageReadReceipts TIMMsgModifyMessage
        TIMMsgSearchCloudMessages TIMMsgSearchLocalMessages TIMMsgSendMessageReadReceipts
        TIMMsgSetLocalCustomData TIMMsgSetOfflinePushToken TIMProfileGetUserProfileList
        TIMProfileModifySelfUserProfile TIMSearchUsers TIMSubscribeOfficialAccount TIMSubscribeUserInfo
        TIMUnfollowUser TIMUnsubscribeOfficialAccount TIMUnsubscribeUserInfo;
    json_json:
        TIMCommunityCreateTopicInCommunity TIMCommunityDeletePermissionGroupFromCommunity
        TIMCommunityDeleteTopicFromCommunity TIMCommunityGetPermissionGroupListInCommunity
        TIMCommunityGetTopicInfoList TIMConvAddConversationsToGroup TIMConvCreateConversationGroup
        TIMConvDeleteConversationsFromGroup TIMConvRenameConversationGroup
        TIMConvSetConversationCustomData TIMGroupCreateTopicInCommunity TIMGroupDeleteGroupAttributes
        TIMGroupDeleteTopicFromCommunity TIMGroupGetGroupAttributes TIMGroupGetGroupCounters
        TIMGroupGetTopicInfoList TIMGroupInitGroupAttributes TIMGroupJoin TIMGroupSetGroupAttributes
        TIMGroupSetGroupCounters TIMMsgAddMessageReaction TIMMsgConvertVoiceToText
        TIMMsgDeleteMessageExtensions TIMMsgDownloadElemToPath TIMMsgRemoveMessageReaction
        TIMMsgSetMessageExtensions TIMSignalingAccept TIMSignalingCancel TIMSignalingModifyInvitation
        TIMSignalingReject;
    nothing:
        TIMCommunityGetJoinedCommunityList TIMConvGetConvList TIMConvGetConversationGroupList
        TIMConvGetTotalUnreadMessageCount TIMFriendshipGetBlackList TIMGroupGetJoinedCommunityList
        TIMGroupGetJoinedGroupList TIMMsgDoForeground TIMMsgGetAllReceiveMessageOpt
        TIMMsgMarkAllMessageAsRead;
    json_conv_json:
        TIMMsgCancelSend TIMMsgDelete TIMMsgFindByMsgLocatorList TIMMsgGetMsgList TIMMsgImportMsgList
        TIMMsgListDelete TIMMsgReportReaded TIMMsgRevoke TIMMsgSaveMsg TIMMsgSendNewMsg;
    json_json_json:
        TIMCommunityAddCommunityMembersToPermissionGroup TIMCommunityAddTopicPermissionToPermissionGroup
        TIMCommunityDeleteTopicPermissionFromPermissionGroup
        TIMCommunityGetCommunityMemberListInPermissionGroup
        TIMCommunityGetTopicPermissionInPermissionGroup
        TIMCommunityModifyTopicPermissionInPermissionGroup
        TIMCommunityRemoveCommunityMembersFromPermissionGroup TIMMsgTranslateText;
    json_conv:
        TIMConvCreate TIMConvDelete TIMMsgClearHistoryMessage;
    u64:
        TIMFriendshipReportPendencyReaded TIMGroupReportPendencyReaded;
    u32:
        TIMMsgDoBackground;
    json_json_i64:
        TIMGroupDecreaseGroupCounter TIMGroupIncreaseGroupCounter;
    json_opt:
        TIMMsgSetC2CReceiveMessageOpt TIMMsgSetGroupReceiveMessageOpt;
    opt_time:
        TIMMsgSetAllReceiveMessageOpt;
    opt_period:
        TIMMsgSetAllReceiveMessageOpt2;
    json_u64_u64:
        TIMConvCleanConversationUnreadMessageCount;
    json_bool:
        TIMCommunitySetTopicInheritMessageReceiveOptionFromCommunity TIMConvDeleteConversationList;
    json_u64_u32:
        TIMConvGetConversationListByFilter;
    json_u64_bool:
        TIMConvMarkConversation;
    json_conv_bool:
        TIMConvPinConversation;
    json_json_bool:
        TIMPinGroupMessage;
    json_json_u32_bool:
        TIMGroupMarkGroupMemberList;
    json_json_u32_u32:
        TIMMsgGetAllUserListOfMessageReaction;
    json_u32:
        TIMMsgGetMessageReactions;
    send_out:
        TIMMsgSendMessage;
    send_two:
        TIMMsgSendNewMsgEx;
    invite:
        TIMSignalingInvite;
    invite_group:
        TIMSignalingInviteInGroup;
    read_members:
        TIMMsgGetGroupMessageReadMemberList;
    unheard_json:
        TIMConvSubscribeUnreadMessageCountByFilter TIMConvUnsubscribeUnreadMessageCountByFilter;
    unheard_json_conv:
        TIMConvCancelDraft;
    unheard_json_conv_json:
        TIMConvSetDraft;
    never_called:
        TIMAddRecvNewMsgCallback TIMSetCommunityAddMembersToPermissionGroupCallback
        TIMSetCommunityAddTopicPermissionCallback TIMSetCommunityChangePermissionGroupInfoCallback
        TIMSetCommunityChangeTopicInfoCallback TIMSetCommunityCreatePermissionGroupCallback
        TIMSetCommunityCreateTopicCallback TIMSetCommunityDeletePermissionGroupCallback
        TIMSetCommunityDeleteTopicCallback TIMSetCommunityDeleteTopicPermissionCallback
        TIMSetCommunityModifyTopicPermissionCallback TIMSetCommunityReceiveTopicRESTCustomDataCallback
        TIMSetCommunityRemoveMembersFromPermissionGroupCallback
        TIMSetConvConversationGroupCreatedCallback TIMSetConvConversationGroupDeletedCallback
        TIMSetConvConversationGroupNameChangedCallback TIMSetConvConversationsAddedToGroupCallback
        TIMSetConvConversationsDeletedFromGroupCallback TIMSetConvEventCallback
        TIMSetConvTotalUnreadMessageCountChangedCallback
        TIMSetConvUnreadMessageCountChangedByFilterCallback TIMSetExperimentalNotifyCallback
        TIMSetFriendAddRequestCallback TIMSetFriendApplicationListDeletedCallback
        TIMSetFriendApplicationListReadCallback TIMSetFriendBlackListAddedCallback
        TIMSetFriendBlackListDeletedCallback TIMSetFriendGroupCreatedCallback
        TIMSetFriendGroupDeletedCallback TIMSetFriendGroupNameChangedCallback
        TIMSetFriendsAddedToGroupCallback TIMSetFriendsDeletedFromGroupCallback
        TIMSetGroupAttributeChangedCallback TIMSetGroupCounterChangedCallback
        TIMSetGroupTipsEventCallback TIMSetGroupTopicChangedCallback TIMSetGroupTopicCreatedCallback
        TIMSetGroupTopicDeletedCallback TIMSetMsgAllMessageReceiveOptionCallback
        TIMSetMsgElemUploadProgressCallback TIMSetMsgExtensionsChangedCallback
        TIMSetMsgExtensionsDeletedCallback TIMSetMsgGroupPinnedMessageChangedCallback
        TIMSetMsgReactionsChangedCallback TIMSetMsgReadedReceiptCallback TIMSetMsgRevokeCallback
        TIMSetMsgUpdateCallback TIMSetMutualFollowersListChangedCallback
        TIMSetMyFollowersListChangedCallback TIMSetMyFollowingListChangedCallback
        TIMSetOfficialAccountDeletedCallback TIMSetOfficialAccountInfoChangedCallback
        TIMSetOfficialAccountSubscribedCallback TIMSetOfficialAccountUnsubscribedCallback
        TIMSetOnAddFriendCallback TIMSetOnDeleteFriendCallback TIMSetSelfInfoUpdatedCallback
        TIMSetSignalingInvitationCancelledCallback TIMSetSignalingInvitationModifiedCallback
        TIMSetSignalingInvitationTimeoutCallback TIMSetSignalingInviteeAcceptedCallback
        TIMSetSignalingInviteeRejectedCallback TIMSetSignalingReceiveNewInvitationCallback
        TIMSetUpdateFriendProfileCallback TIMSetUserInfoChangedCallback;
    never_called_removed:
        TIMRemoveRecvNewMsgCallback;
    unknown:
        TIMNotifySocketEvent TIMRegisterEncryptionDelegate TIMRegisterSocketDelegate
        TIMUnregisterEncryptionDelegate TIMUnregisterSocketDelegate TIMWriteLog;
    unknown_version:
        TIMGetVersion;
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    /// The type of a callback, where it is known: `TIMSetXCallback` takes a `TIMXCallback`.
    fn callback_of(name: &str) -> String {
        const KNOWN: [&str; 17] = [
            "SelfInfoUpdated",
            "UserInfoChanged",
            "ExperimentalNotify",
            "RecvNewMsg",
            "OnAddFriend",
            "OnDeleteFriend",
            "UpdateFriendProfile",
            "FriendAddRequest",
            "FriendApplicationListDeleted",
            "FriendApplicationListRead",
            "FriendBlackListAdded",
            "FriendBlackListDeleted",
            "FriendGroupCreated",
            "FriendGroupDeleted",
            "FriendGroupNameChanged",
            "FriendsAddedToGroup",
            "FriendsDeletedFromGroup",
        ];
        let event = ["TIMSet", "TIMAdd", "TIMRemove"]
            .iter()
            .find_map(|verb| name.strip_prefix(verb))
            .and_then(|rest| rest.strip_suffix("Callback"));
        match event.filter(|event| KNOWN.contains(event)) {
            Some(event) => format!("TIM{event}Callback"),
            None => "TIMUnusedCallback".to_owned(),
        }
    }

    /// What a function of a shape looks like in C.
    fn prototype(shape: &str, name: &str) -> String {
        const RESULT: &str = "TIMCommCallback cb, const void *user_data";
        let answered = |arguments: &str| {
            let comma = if arguments.is_empty() { "" } else { ", " };
            format!("int {name}({arguments}{comma}{RESULT});")
        };
        let conv = "enum TIMConvType conv_type";
        let opt = "enum TIMReceiveMessageOpt opt";
        match shape {
            "json" => answered("const char *json"),
            "json_json" => answered("const char *a, const char *b"),
            "nothing" => answered(""),
            "json_conv_json" => answered(&format!("const char *conv_id, {conv}, const char *json")),
            "json_json_json" => answered("const char *a, const char *b, const char *c"),
            "json_conv" => answered(&format!("const char *conv_id, {conv}")),
            "u64" => answered("uint64_t time_stamp"),
            "u32" => answered("uint32_t unread_count"),
            "json_json_i64" => answered("const char *group_id, const char *key, int64_t value"),
            "json_opt" => answered(&format!("const char *json, {opt}")),
            "opt_time" => answered(&format!(
                "{opt}, int32_t start_hour, int32_t start_minute, int32_t start_second, uint32_t duration"
            )),
            "opt_period" => answered(&format!("{opt}, uint32_t start_time_stamp, uint32_t duration")),
            "json_u64_u64" => {
                answered("const char *conv_id, uint64_t clean_timestamp, uint64_t clean_sequence")
            }
            "json_bool" => answered("const char *json, bool flag"),
            "json_u64_u32" => answered("const char *json, uint64_t next_seq, uint32_t count"),
            "json_u64_bool" => answered("const char *json, uint64_t mark_type, bool enable_mark"),
            "json_conv_bool" => answered(&format!("const char *conv_id, {conv}, bool is_pinned")),
            "json_json_bool" => answered("const char *group_id, const char *json, bool is_pinned"),
            "json_json_u32_bool" => {
                answered("const char *group_id, const char *json, uint32_t mark_type, bool enable_mark")
            }
            "json_json_u32_u32" => {
                answered("const char *json, const char *reaction_id, uint32_t next_seq, uint32_t count")
            }
            "json_u32" => answered("const char *json, uint32_t max_user_count_per_reaction"),
            "send_out" => answered(&format!(
                "const char *conv_id, {conv}, const char *json, char *message_id_buffer"
            )),
            "send_two" => format!(
                "int {name}(const char *conv_id, {conv}, const char *json, TIMCommCallback message_id_cb, \
                 TIMCommCallback res_cb, const void *user_data);"
            ),
            "invite" => answered(
                "const char *invitee, const char *data, bool online_user_only, const char *offline_push_info, \
                 int timeout, char *invite_id_buffer",
            ),
            "invite_group" => answered(
                "const char *group_id, const char *invitees, const char *data, bool online_user_only, int timeout, \
                 char *invite_id_buffer",
            ),
            "read_members" => format!(
                "int {name}(const char *json, int filter, uint64_t next_seq, \
                 uint32_t count, TIMMsgGroupMessageReadMemberListCallback cb, const void *user_data);"
            ),
            "unheard_json" => format!("int {name}(const char *json);"),
            "unheard_json_conv" => format!("int {name}(const char *conv_id, {conv});"),
            "unheard_json_conv_json" => format!("int {name}(const char *conv_id, {conv}, const char *json);"),
            "never_called" => format!("void {name}({} cb, const void *user_data);", callback_of(name)),
            "never_called_removed" => format!("void {name}({} cb);", callback_of(name)),
            // Its arguments are not known, and nobody can call it but by its name.
            "unknown" => format!("int {name}(void);"),
            "unknown_version" => format!("const char *{name}(void);"),
            other => panic!("no prototype for {other}"),
        }
    }

    const BEGIN: &str = "/* ---- begin: made from crates/imsdk/src/unsupported.rs: TIM_UPDATE=1 cargo test -p presence-imsdk ---- */\n";
    const END: &str = "/* ---- end ---- */\n";

    #[test]
    fn the_header_declares_each_with_the_arguments_it_has() {
        let mut section = String::new();
        for (shape, names) in TABLE {
            for name in *names {
                writeln!(section, "TIM_API {}", prototype(shape, name)).unwrap();
            }
            section.push('\n');
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include/imsdk/TIMCloud.h");
        let header = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = header.split_once(BEGIN).expect("the section begins");
        let (now, after) = rest.split_once(END).expect("the section ends");
        if now != section && std::env::var_os("TIM_UPDATE").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}{section}{END}{after}")).unwrap();
        } else {
            assert_eq!(
                now, section,
                "TIM_UPDATE=1 cargo test -p presence-imsdk writes it"
            );
        }
    }

    #[test]
    fn a_place_for_a_text_is_made_empty() {
        let mut id = *b"abc\0";
        // SAFETY: a place for four bytes, and no callback.
        let accepted = unsafe {
            TIMMsgSendMessage(
                c"x".as_ptr(),
                1,
                c"{}".as_ptr(),
                id.as_mut_ptr().cast(),
                None,
                std::ptr::null(),
            )
        };
        assert_eq!((accepted, &id), (0, b"\0bc\0"));
    }

    #[test]
    fn what_cannot_be_answered_refuses() {
        assert_eq!(TIMConvCancelDraft(c"x".as_ptr(), 1), result::ERR_CONV);
        let null = std::ptr::null();
        assert_eq!(
            TIMMsgGetGroupMessageReadMemberList(c"{}".as_ptr(), 0, 0, 0, null, null),
            result::ERR_GROUP
        );
        // SAFETY: a static text.
        let version = unsafe { CStr::from_ptr(TIMGetVersion()) };
        assert_eq!(version.to_bytes().first(), Some(&b'0'));
    }
}
