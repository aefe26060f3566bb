<#-- A page that was left open too long, or was gone back to. -->
<#import "template.ftl" as layout>
<@layout.registrationLayout strict=true displayMessage=false; section>
    <#if section = "header">
        ${msg("talkdeskExpiredTitle")}
    <#elseif section = "form">
        <div id="page-expired">
            <p>${msg("talkdeskExpiredText")}</p>
            <p><a id="loginRestartLink" class="button" href="${url.loginRestartFlowUrl}">${msg("talkdeskExpiredRestart")}</a></p>
        </div>
    </#if>
</@layout.registrationLayout>
